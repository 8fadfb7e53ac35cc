import ConnectProtocol
import SeededRandom
import Testing

@testable import ConnectClient

/// A user with two peers, a server, and whatever may come between them, by a seed.
private struct World {
  private static let peers = [bob, UserName("carol")!]
  private var random: SplitMix64
  private var book = ConversationBook(user: alice)
  private var records: [BookRecord] = []
  private var clock: UInt64 = 1_000
  private var nextID = 0
  /// What must be shown: sender and id of each message.
  private var expected: Set<Conversation.Entry.Key> = []
  /// Own messages that the server has not answered, that it has taken, and that it does not take.
  private var waiting: [(id: MessageID, peer: UserName)] = []
  private var accepted: [(id: MessageID, peer: UserName)] = []
  private var failed: [(id: MessageID, peer: UserName)] = []

  init(seed: UInt64) {
    self.random = SplitMix64(seed: seed)
    self.tell(.connected(welcome(offset: .zero)))
  }

  private mutating func chance(_ percent: Int) -> Bool {
    Int.random(in: 0..<100, using: &self.random) < percent
  }

  private mutating func newOffset() -> Offset {
    self.clock += UInt64.random(in: 1...3, using: &self.random)
    return Offset(milliseconds: self.clock, sequence: 0)
  }

  private mutating func newMessage() -> MessageID {
    self.nextID += 1
    return messageID(self.nextID)
  }

  private mutating func peer() -> UserName { Self.peers.randomElement(using: &self.random)! }

  private mutating func tell(_ event: ConnectEvent) { self.records += self.book.received(event) }

  private mutating func take(
    from list: WritableKeyPath<World, [(id: MessageID, peer: UserName)]>
  ) -> (id: MessageID, peer: UserName)? {
    guard !self[keyPath: list].isEmpty else { return nil }
    let index = Int.random(in: 0..<self[keyPath: list].count, using: &self.random)
    return self[keyPath: list].remove(at: index)
  }

  mutating func step() throws {
    switch Int.random(in: 0..<12, using: &self.random) {
    case 0, 1: self.send()
    case 2, 3: self.receive()
    case 4:
      guard let (id, peer) = self.waiting.isEmpty ? nil : self.waiting.removeFirst() else { return }
      let place = self.newOffset()
      self.tell(.accepted(id: id, offset: place))
      self.accepted.append((id, peer))
    case 5: self.copy()
    case 6: self.reject()
    case 7: self.fail()
    case 8: self.retryOrDiscard()
    case 9:
      let offset = Offset(milliseconds: self.clock, sequence: 0)
      let (read, mine) = (self.chance(50) ? offset : nil, self.chance(50) ? offset : nil)
      let peer = self.peer()
      self.tell(
        .position(
          .init(peer: peer, delivered: offset, read: read, mine: mine, stamp: self.clock)))
    case 10:
      let (peer, isPrivate) = (self.peer(), self.chance(50))
      self.records += self.book.read(peer, through: nil, isPrivate: isPrivate)?.1 ?? []
    default: try self.restart()
    }
  }

  private mutating func send() {
    let (id, peer) = (self.newMessage(), self.peer())
    let isQuiet = self.chance(20)
    let sent = self.book.send(id, to: peer, body: json("1"), isQuiet: isQuiet, now: 1)
    self.records += sent?.1 ?? []
    self.waiting.append((id, peer))
    self.expected.insert(.init(from: alice, id: id))
  }

  private mutating func receive() {
    let (id, peer) = (self.newMessage(), self.peer())
    let (offset, isQuiet) = (self.newOffset(), self.chance(20))
    self.tell(
      .message(
        IncomingMessage(
          offset: offset, from: peer, id: id, at: offset.milliseconds, body: json("1"),
          quiet: isQuiet)))
    self.expected.insert(.init(from: peer, id: id))
  }

  /// Of what was accepted, of what waits still, or of another device.
  private mutating func copy() {
    let isAccepted = self.chance(50)
    let known = self.take(from: isAccepted ? \.accepted : \.waiting)
    let (id, peer) = known ?? (self.newMessage(), self.peer())
    let offset = self.newOffset()
    self.tell(
      .sent(
        SentMessage(
          offset: offset, peerOffset: offset, to: peer, id: id, at: offset.milliseconds,
          body: json("1"))))
    self.accepted.append((id, peer))
    self.expected.insert(.init(from: alice, id: id))
  }

  private mutating func reject() {
    guard let (id, peer) = self.take(from: \.waiting) else { return }
    self.tell(
      .rejected(
        .init(
          id: id, code: "too_large", message: "x", retryable: false, retryAfterMilliseconds: nil),
        isFinal: true))
    self.failed.append((id, peer))
  }

  private mutating func fail() {
    guard let (id, peer) = self.take(from: \.accepted) else { return }
    let offset = self.newOffset()
    self.tell(
      .failed(
        .init(offset: offset, to: peer, id: id, code: "mailbox_full", message: "x")))
    self.failed.append((id, peer))
  }

  private mutating func retryOrDiscard() {
    guard let (id, peer) = self.take(from: \.failed) else { return }
    if self.chance(50) {
      self.records += self.book.discard(id, to: peer)
      self.expected.remove(.init(from: alice, id: id))
    } else {
      self.records += self.book.retry(id, to: peer)?.1 ?? []
      self.waiting.append((id, peer))
    }
  }

  /// The app is killed, and starts with what is stored, compacted or not.
  private mutating func restart() throws {
    if self.chance(50) { self.records = self.book.snapshot }
    var book = ConversationBook(user: alice)
    for record in self.records { book.apply(try BookRecord(bytes: record.bytes)) }
    self.expectEqual(book)
    book.begin()
    self.book = book
    let offset = book.handled ?? .zero
    self.tell(.connected(welcome(offset: offset, positions: self.clock)))
  }

  private func expectEqual(_ book: ConversationBook) {
    #expect(book.handled == self.book.handled)
    #expect(book.stamp.known == self.book.stamp.known)
    #expect(book.outbox == self.book.outbox)
    #expect(book.newestFirst.map(\.peer) == self.book.newestFirst.map(\.peer))
    for peer in Self.peers {
      let (one, other) = (book.log(peer), self.book.log(peer))
      #expect(one.entries(floor: book.floor) == other.entries(floor: self.book.floor))
      #expect(one.unread(floor: book.floor) == other.unread(floor: self.book.floor))
    }
  }

  func check() {
    var shown: [Conversation.Entry.Key] = []
    for peer in Self.peers {
      let log = self.book.log(peer)
      shown += log.entries(floor: self.book.floor).map(\.key)
      let offsets = log.placed.compactMap(\.offset)
      #expect(zip(offsets, offsets.dropFirst()).allSatisfy { $0 < $1 })
      #expect(log.unplaced.map(\.number) == log.unplaced.map(\.number).sorted())
    }
    #expect(shown.count == Set(shown).count, "each once")
    #expect(Set(shown) == self.expected)
    #expect(Set(self.book.outbox.map(\.id)) == Set(self.waiting.map(\.id)))
  }
}

@Suite("The book of conversations, whatever happens")
struct BookFuzzTests {
  @Test("shows each message once, in order, and after each restart the same", arguments: 0..<100)
  func anything(seed: UInt64) throws {
    var world = World(seed: seed)
    for _ in 0..<150 {
      try world.step()
      world.check()
    }
  }
}
