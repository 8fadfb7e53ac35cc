import ConnectProtocol
import Testing

@testable import ConnectClient

/// What each event changes in what an app shows, and that a store holds all of it.
@Suite("The book of conversations")
struct BookTests {
  /// A book, and what it has given to a store.
  private struct Kept {
    var book = ConversationBook(user: alice)
    var records: [BookRecord] = []

    mutating func tell(_ events: ConnectEvent...) {
      for event in events { self.records += self.book.received(event) }
    }

    @discardableResult
    mutating func send(_ number: Int, quiet: Bool = false) -> LogEntry {
      let (entry, records) = self.book.send(
        messageID(number), to: bob, body: json("\(number)"), isQuiet: quiet,
        now: 1_000 + UInt64(number))!
      self.records += records
      return entry
    }

    /// What a new client reads from the store, by way of its bytes.
    func restored() throws -> ConversationBook {
      var book = ConversationBook(user: alice)
      for record in self.records { book.apply(try BookRecord(bytes: record.bytes)) }
      return book
    }

    var entries: [Conversation.Entry] { self.book.log(bob).entries(floor: self.book.floor) }
    var ids: [MessageID] { self.entries.map(\.id) }
    var states: [Conversation.State] { self.entries.map(\.state) }
  }

  private func at(_ number: UInt64) -> Offset { Offset(milliseconds: number, sequence: 0) }

  private func incoming(_ number: Int, at offset: UInt64, quiet: Bool = false) -> ConnectEvent {
    .message(
      IncomingMessage(
        offset: self.at(offset), from: bob, id: messageID(number), at: offset,
        body: json("\(number)"), quiet: quiet))
  }

  private func copy(_ number: Int, at offset: UInt64, place: UInt64) -> ConnectEvent {
    .sent(
      SentMessage(
        offset: self.at(offset), peerOffset: self.at(place), to: bob, id: messageID(number),
        at: offset, body: json("\(number)")))
  }

  private func position(
    delivered: UInt64? = nil, read: UInt64? = nil, mine: UInt64? = nil, stamp: UInt64 = 1
  ) -> ConnectEvent {
    .position(
      .init(
        peer: bob, delivered: delivered.map(self.at), read: read.map(self.at),
        mine: mine.map(self.at), stamp: stamp))
  }

  private func connected(at offset: UInt64 = 0, gap: Bool = false) -> ConnectEvent {
    .connected(welcome(offset: self.at(offset), gap: gap))
  }

  /// Neither a restart nor a compaction changes what is shown.
  private func expectKept(_ kept: Kept) throws {
    let restored = try kept.restored()
    #expect(restored.log(bob).entries(floor: restored.floor) == kept.entries)
    #expect(restored.handled == kept.book.handled)
    #expect(restored.stamp.known == kept.book.stamp.known)
    var compacted = ConversationBook(user: alice)
    for record in kept.book.snapshot { compacted.apply(try BookRecord(bytes: record.bytes)) }
    #expect(compacted.log(bob).entries(floor: compacted.floor) == kept.entries)
    #expect(compacted.handled == kept.book.handled)
    #expect(compacted.log(bob).hasEarlier == kept.book.log(bob).hasEarlier)
    #expect(
      compacted.log(bob).unread(floor: compacted.floor)
        == kept.book.log(bob).unread(floor: kept.book.floor))
    #expect(compacted.outbox == kept.book.outbox)
    #expect(compacted.needsList == kept.book.needsList)
  }

  @Test("follows an own message from waiting to read")
  func ticks() throws {
    var kept = Kept()
    kept.tell(self.connected())
    kept.send(1)
    #expect(kept.states == [.waiting])
    kept.tell(.accepted(id: messageID(1), offset: self.at(50)))
    #expect(kept.states == [.accepted])
    kept.tell(self.copy(1, at: 7, place: 50))
    #expect(kept.states == [.accepted])
    kept.tell(self.position(delivered: 50))
    #expect(kept.states == [.delivered])
    kept.tell(self.position(read: 50))
    #expect(kept.states == [.read])
    #expect(kept.entries.map(\.isMine) == [true])
    try self.expectKept(kept)
  }

  @Test("has the mailbox's order, and behind it what is not in the mailbox yet")
  func order() throws {
    var kept = Kept()
    kept.tell(self.connected())
    kept.send(1)
    kept.send(2)
    kept.tell(self.incoming(10, at: 5), self.incoming(11, at: 8))
    #expect(kept.ids == [10, 11, 1, 2].map(messageID))
    kept.tell(
      .accepted(id: messageID(1), offset: self.at(60)), self.copy(1, at: 6, place: 60),
      self.incoming(12, at: 9))
    #expect(kept.ids == [10, 1, 11, 12, 2].map(messageID))
    try self.expectKept(kept)
  }

  @Test("takes a copy as the answer that never came")
  func copyAnswers() throws {
    var kept = Kept()
    kept.tell(self.connected())
    kept.send(1)
    kept.tell(self.copy(1, at: 6, place: 60))
    #expect(kept.book.outbox.isEmpty)
    #expect(kept.states == [.accepted])
    try self.expectKept(kept)
  }

  @Test("keeps what is not answered, in order, and sends it as a repeat after a restart")
  func outbox() throws {
    var kept = Kept()
    kept.tell(self.connected())
    for number in 1...4 { kept.send(number) }
    kept.tell(.accepted(id: messageID(2), offset: self.at(60)))
    var restored = try kept.restored()
    let outbox = restored.takeOutbox()
    #expect(outbox.map(\.id) == [1, 3, 4].map(messageID))
    // Not before the clock that the server told when they were sent.
    #expect(outbox.allSatisfy { $0.retry == .firstSent(1_000) && $0.copy && $0.receipt })
    try self.expectKept(kept)
  }

  @Test("says nothing of when a message was first sent if the server's clock was never told")
  func outboxWithoutClock() throws {
    var kept = Kept()
    let entry = kept.send(1)
    #expect(entry.outgoing.retry == .no)
    var restored = try kept.restored()
    #expect(restored.takeOutbox().map(\.retry) == [.yes])
  }

  @Test("shows why a message failed, until it is sent again, discarded or revoked")
  func failures() throws {
    var kept = Kept()
    kept.tell(self.connected())
    for number in 1...3 { kept.send(number) }
    let rejected = ServerFrame.Rejected(
      id: messageID(1), code: "too_large", message: "x", retryable: false,
      retryAfterMilliseconds: nil)
    kept.tell(
      .rejected(rejected, isFinal: false), .rejected(rejected, isFinal: true),
      .accepted(id: messageID(2), offset: self.at(60)),
      .failed(
        .init(
          offset: self.at(9), to: bob, id: messageID(2), code: "mailbox_full", message: "y")))
    #expect(kept.states == [.failed, .failed, .waiting])
    #expect(kept.entries.map(\.failure?.code) == ["too_large", "mailbox_full", nil])
    #expect(kept.book.outbox.map(\.id) == [messageID(3)])
    try self.expectKept(kept)

    let retried = kept.book.retry(messageID(1), to: bob)
    let (again, records) = try #require(retried)
    kept.records += records
    #expect(again.outgoing.retry == .firstSent(1_000))
    #expect(records.count == 1, "half of it stored would lose the message")
    // Behind what waits: nothing overtakes it.
    #expect(kept.book.outbox.map(\.id) == [3, 1].map(messageID))
    let isRetried = kept.book.retry(messageID(3), to: bob) != nil
    #expect(!isRetried, "it has not failed")
    let isDiscarded = !kept.book.discard(messageID(3), to: bob).isEmpty
    #expect(!isDiscarded, "it has not failed")
    // The server's operator has delivered it after all.
    kept.tell(self.copy(2, at: 12, place: 61))
    #expect(kept.ids == [2, 3, 1].map(messageID))
    #expect(kept.states == [.accepted, .waiting, .waiting])
    try self.expectKept(kept)
  }

  @Test("counts what is neither read nor quiet, and an own reading counts at once")
  func unread() throws {
    var kept = Kept()
    kept.tell(self.connected())
    kept.tell(
      self.incoming(1, at: 5), self.incoming(2, at: 6, quiet: true), self.incoming(3, at: 7),
      self.copy(9, at: 8, place: 1))
    func count() -> Int { kept.book.log(bob).unread(floor: kept.book.floor).count }
    #expect(count() == 2)
    #expect(kept.states == [.received, .received, .received, .accepted])
    kept.tell(self.position(mine: 5))
    #expect(count() == 1)
    let read = kept.book.read(bob, through: nil, isPrivate: true)
    let (offset, records) = try #require(read)
    kept.records += records
    #expect(offset == self.at(7))
    #expect(count() == 0)
    let isReadAgain = kept.book.read(bob, through: nil, isPrivate: false) != nil
    #expect(!isReadAgain, "it is read already")
    // The server is told after a restart, until it has answered.
    let owed = try kept.restored().owedReads
    #expect(owed.map(\.offset) == [self.at(7)] && owed.map(\.isPrivate) == [true])
    kept.tell(self.position(mine: 7, stamp: 2))
    #expect(try kept.restored().owedReads.isEmpty)
    #expect(kept.book.log(bob).last(floor: .zero)?.id == messageID(9))
    try self.expectKept(kept)
  }

  @Test("takes the list's number where the entries do not reach down to what is read")
  func listedUnread() throws {
    var kept = Kept()
    kept.tell(self.connected(at: 100))
    kept.records += kept.book.received(
      ConversationPage(conversations: [
        ConversationSummary(
          peer: bob,
          last: .message(
            IncomingMessage(
              offset: self.at(90), from: bob, id: messageID(1), at: 90, body: json("1"))),
          unread: 12, unreadIsMore: true, mine: self.at(20))
      ]), isFirst: true)
    #expect(!kept.book.needsList)
    // Nothing of it is held, so nothing can have been shown.
    let isRead = kept.book.read(bob, through: nil, isPrivate: false) != nil
    #expect(!isRead)
    kept.tell(self.incoming(2, at: 110))
    let unread = kept.book.log(bob).unread(floor: kept.book.floor)
    #expect(unread.count == 13 && unread.isMore)
    #expect(kept.book.log(bob).last(floor: .zero)?.id == messageID(2))
    try self.expectKept(kept)
    kept.tell(self.position(mine: 90))
    #expect(kept.book.log(bob).unread(floor: .zero).count == 1)
    let read = kept.book.read(bob, through: nil, isPrivate: false)
    #expect(read?.0 == self.at(110))
  }

  @Test("puts earlier entries in front, once, and knows where the mailbox ends")
  func history() throws {
    var kept = Kept()
    kept.tell(self.connected(at: 100))
    kept.tell(self.incoming(5, at: 110))
    #expect(kept.book.log(bob).hasEarlier)
    func entry(_ number: Int, at offset: UInt64) -> MailboxEntry {
      .message(
        IncomingMessage(
          offset: self.at(offset), from: bob, id: messageID(number), at: offset,
          body: json("\(number)")))
    }
    kept.book.received(
      HistoryPage(
        entries: [entry(5, at: 110), entry(4, at: 90), entry(3, at: 80)], next: self.at(70)),
      with: bob)
    #expect(kept.ids == [3, 4, 5].map(messageID))
    #expect(kept.book.log(bob).start == self.at(70))
    kept.book.received(HistoryPage(entries: [], next: nil, isTrimmed: true), with: bob)
    #expect(!kept.book.log(bob).hasEarlier && kept.book.log(bob).isTrimmed)
  }

  @Test("knows from earlier entries which own messages have failed")
  func earlierFailures() {
    var kept = Kept()
    kept.tell(self.connected(at: 100))
    func sent(_ number: Int, at offset: UInt64) -> MailboxEntry {
      .sent(
        SentMessage(
          offset: self.at(offset), peerOffset: self.at(offset), to: bob, id: messageID(number),
          at: offset, body: json("\(number)")))
    }
    func failed(_ number: Int, at offset: UInt64) -> MailboxEntry {
      .failed(
        .init(
          offset: self.at(offset), to: bob, id: messageID(number), code: "mailbox_full",
          message: "y"))
    }
    // 1 failed, 2 failed in another part, 3 was stored after it had failed.
    kept.book.received(
      HistoryPage(
        entries: [sent(3, at: 95), failed(2, at: 92), failed(1, at: 91), failed(3, at: 90)],
        next: self.at(80)), with: bob)
    kept.book.received(
      HistoryPage(entries: [sent(2, at: 71), sent(1, at: 70)], next: self.at(60)), with: bob)
    #expect(kept.ids == [1, 2, 3].map(messageID))
    #expect(kept.states == [.failed, .failed, .accepted])
  }

  @Test("drops what may have a hole below it after a gap, and asks for the list")
  func gap() throws {
    var kept = Kept()
    kept.tell(self.connected())
    kept.tell(self.incoming(1, at: 5))
    kept.send(2)
    kept.records += kept.book.received(ConversationPage(conversations: []), isFirst: true)
    kept.tell(self.connected(at: 5))
    #expect(kept.ids == [1, 2].map(messageID), "an ordinary reconnect changes nothing")
    #expect(!kept.book.needsList)
    kept.tell(self.connected(at: 50, gap: true))
    #expect(kept.ids == [messageID(2)])
    #expect(kept.book.needsList && kept.book.log(bob).hasEarlier)
    #expect(kept.book.handled == self.at(50))
    #expect(kept.book.newestFirst.map(\.peer) == [bob], "the list does not become empty")
    try self.expectKept(kept)
  }

  @Test("begins again with another mailbox, which is behind what is held")
  func otherMailbox() throws {
    var kept = Kept()
    kept.tell(self.connected())
    kept.tell(self.incoming(1, at: 500))
    kept.tell(self.connected(at: 0))
    #expect(kept.ids == [messageID(1)], "the server did not have the ack")
    kept.book = try kept.restored()
    kept.book.begin()
    kept.tell(self.connected(at: 500))
    #expect(kept.ids == [messageID(1)])
    kept.tell(self.connected(at: 0))
    #expect(kept.ids.isEmpty)
    kept.tell(self.incoming(2, at: 3))
    #expect(kept.ids == [messageID(2)])
    #expect(kept.book.handled == self.at(3))
  }

  @Test("takes a message to oneself once, as an own one")
  func oneself() throws {
    var kept = Kept()
    kept.tell(self.connected())
    let (_, records) = kept.book.send(
      messageID(1), to: alice, body: json("1"), isQuiet: false, now: 1)!
    kept.records += records
    kept.tell(
      .message(
        IncomingMessage(
          offset: self.at(5), from: alice, id: messageID(1), at: 5, body: json("1"))))
    let log = kept.book.log(alice)
    #expect(log.entries(floor: .zero).map(\.id) == [messageID(1)])
    #expect(log.unread(floor: .zero).count == 0)
    #expect(kept.book.outbox.isEmpty)
  }

  @Test("keeps apart what peers are told that the user has read, and what they are not")
  func owedReads() throws {
    var kept = Kept()
    kept.tell(
      self.connected(), self.incoming(1, at: 5), self.incoming(2, at: 6), self.incoming(3, at: 7))
    func owed() throws -> [String] {
      try kept.restored().owedReads.map { "\($0.offset) \($0.isPrivate)" }
    }
    kept.records += kept.book.read(bob, through: self.at(5), isPrivate: false)?.1 ?? []
    kept.records += kept.book.read(bob, through: self.at(7), isPrivate: true)?.1 ?? []
    #expect(try owed() == ["5-0 false", "7-0 true"])
    // The server has moved the user's own position: that tells nothing of the peer's.
    kept.tell(self.position(mine: 7, stamp: 2))
    #expect(try owed() == ["5-0 false"])
    kept.records += kept.book.answered(bob, through: self.at(5))
    #expect(try owed() == [])
    try self.expectKept(kept)
  }

  @Test("keeps as much as it may, in memory and in a store, and never drops what is not sent")
  func limits() throws {
    var kept = Kept()
    kept.tell(self.connected())
    kept.send(0)
    for number in 1...(ConnectClientLimits.heldEntries + 5) {
      kept.tell(self.incoming(number, at: UInt64(number)))
    }
    let held = ConnectClientLimits.heldEntries - ConnectClientLimits.droppedEntries + 4
    #expect(kept.entries.count == held + 1)
    #expect(kept.book.log(bob).hasEarlier)
    var compacted = ConversationBook(user: alice)
    for record in kept.book.snapshot { compacted.apply(record) }
    let log = compacted.log(bob)
    #expect(log.placed.count == ConnectClientLimits.storedEntries)
    #expect(log.unplaced.map(\.id) == [messageID(0)])
    #expect(log.start == log.placed[0].offset)
    for number in 1..<ConnectClientLimits.outboxMessages { kept.send(10_000 + number) }
    let isTaken =
      kept.book.send(messageID(1), to: bob, body: json("1"), isQuiet: false, now: 1) != nil
    #expect(!isTaken)
  }

  @Test("lists the newest conversation first, and a waiting message makes one the newest")
  func list() {
    var kept = Kept()
    kept.tell(self.connected())
    let carol = UserName("carol")!
    kept.tell(
      self.incoming(1, at: 5),
      .message(
        IncomingMessage(
          offset: self.at(6), from: carol, id: messageID(2), at: 6, body: json("2"))),
      self.incoming(3, at: 7, quiet: true))
    #expect(kept.book.newestFirst.map(\.peer) == [carol, bob], "a quiet one moves nothing")
    kept.send(4)
    #expect(kept.book.newestFirst.map(\.peer) == [bob, carol])
  }

  @Test("remembers the stamp of positions only once it has all of them")
  func stamps() throws {
    var kept = Kept()
    kept.tell(.connected(welcome(positions: 9)))
    #expect(try kept.restored().stamp.known == 0)
    kept.tell(.live(.zero))
    #expect(try kept.restored().stamp.known == 9)
    kept.tell(self.position(delivered: 1, stamp: 12))
    #expect(try kept.restored().stamp.known == 12)
  }
}
