import ConnectProtocol
import TestSupport
import Testing

@testable import ConnectClient

/// What is held of a conversation has no holes, and each message once.
@Suite("The book of conversations holds")
struct BookHoleTests {
  private func at(_ number: UInt64) -> Offset { Offset(milliseconds: number, sequence: 0) }

  private func message(
    _ number: UInt64, id: Int? = nil, from peer: UserName = bob
  ) -> IncomingMessage {
    IncomingMessage(
      offset: self.at(number), from: peer, id: messageID(id ?? Int(number)), at: number,
      body: json("\(number)"))
  }

  private func ids(_ book: ConversationBook) -> [MessageID] {
    book.log(bob).entries(floor: .zero).map(\.id)
  }

  @Test("what another mailbox brought, over further reconnects")
  func otherMailbox() {
    var book = ConversationBook(user: alice)
    _ = book.received(.connected(welcome()))
    _ = book.received(.message(self.message(500)))
    book.begin()
    _ = book.received(.connected(welcome(offset: self.at(0))))
    _ = book.received(.message(self.message(3)))
    #expect(self.ids(book) == [messageID(3)])
    _ = book.received(.connected(welcome(offset: self.at(3))))
    #expect(self.ids(book) == [messageID(3)])
  }

  @Test("no accepted message behind the others whose copy a gap has taken")
  func lostCopy() throws {
    var book = ConversationBook(user: alice)
    _ = book.received(.connected(welcome()))
    _ = book.send(messageID(1), to: bob, body: json("1"), isQuiet: false, now: 1)
    _ = book.send(messageID(2), to: bob, body: json("2"), isQuiet: false, now: 2)
    _ = book.received(.accepted(id: messageID(1), offset: self.at(40)))
    _ = book.received(.connected(welcome(offset: self.at(50), gap: true)))
    #expect(self.ids(book) == [messageID(2)])
    #expect(book.log(bob).hasEarlier)
  }

  @Test("a peer's message once, though the mailbox has it twice")
  func repeats() {
    var book = ConversationBook(user: alice)
    _ = book.received(.connected(welcome(offset: self.at(100))))
    _ = book.received(.message(self.message(110, id: 1)))
    _ = book.received(.message(self.message(120, id: 1)))
    book.received(
      HistoryPage(entries: [.message(self.message(90, id: 1))], next: nil), with: bob)
    #expect(self.ids(book) == [messageID(1)])
  }

  @Test("the place and the last message of more conversations than a store keeps whole")
  func manyConversations() throws {
    var book = ConversationBook(user: alice)
    _ = book.received(.connected(welcome()))
    _ = book.received(ConversationPage(conversations: []), isFirst: true)
    let count = ConnectClientLimits.storedConversations + 1
    for number in 1...count {
      let peer = UserName("peer-\(number)")!
      _ = book.received(.message(self.message(UInt64(2 * number), from: peer)))
      _ = book.received(.message(self.message(UInt64(2 * number + 1), from: peer)))
    }
    var compacted = ConversationBook(user: alice)
    for record in book.snapshot { compacted.apply(try BookRecord(bytes: record.bytes)) }
    #expect(compacted.newestFirst.map(\.peer) == book.newestFirst.map(\.peer))
    let oldest = compacted.log(UserName("peer-1")!)
    #expect(oldest.placed.isEmpty && oldest.hasEarlier)
    #expect(oldest.last(floor: .zero)?.id == messageID(3))
    #expect(oldest.unread(floor: .zero).count == 2)
  }

  @Test("what was sent before the store was read, however much waits in it")
  func earlySends() throws {
    var stored = ConversationBook(user: alice)
    for number in 0..<ConnectClientLimits.outboxMessages {
      _ = stored.send(messageID(number), to: bob, body: json("1"), isQuiet: false, now: 1)
    }
    var state = KeeperState(user: alice)
    try state.send(messageID(99_999), to: bob, body: json("1"), isQuiet: false, now: 2)
    state.opened(stored, records: [])
    #expect(state.book.outbox.count == ConnectClientLimits.outboxMessages + 1)
    #expect(state.book.outbox.last?.id == messageID(99_999))
    guard case .round(let round) = state.nextRound() else { throw TestFailure("nothing is sent") }
    #expect(round.messages.last?.id == messageID(99_999))
  }

  @Test("nothing that happens when the client has ended, since nothing would store it")
  func ended() throws {
    var state = KeeperState(user: alice)
    state.received(.connected(welcome()))
    state.received(.message(self.message(5)))
    try state.send(messageID(1), to: bob, body: json("1"), isQuiet: false, now: 1)
    state.received(
      .rejected(
        .init(
          id: messageID(1), code: "too_large", message: "x", retryable: false,
          retryAfterMilliseconds: nil), isFinal: true))
    _ = state.end()
    _ = state.nextRound()
    state.read(bob, through: nil, isPrivate: false)
    state.discard(messageID(1), to: bob)
    let isTried = state.retry(messageID(1), to: bob)
    #expect(!isTried)
    #expect(state.shown(bob).unread == 1)
    #expect(state.shown(bob).entries.map(\.state) == [.received, .failed])
    guard case .ended = state.nextRound() else { throw TestFailure("there is more to do") }
  }
}
