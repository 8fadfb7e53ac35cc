import ConnectProtocol
import Testing

@testable import ConnectClient

/// What counts as unread where a device does not hold all of a conversation.
@Suite("Unread messages")
struct UnreadTests {
  private func at(_ number: UInt64) -> Offset { Offset(milliseconds: number, sequence: 0) }

  private func message(_ number: UInt64, from peer: UserName = bob) -> IncomingMessage {
    IncomingMessage(
      offset: self.at(number), from: peer, id: messageID(Int(number)), at: number,
      body: json("\(number)"))
  }

  private func summary(_ last: UInt64, unread: Int, mine: UInt64?) -> ConversationSummary {
    ConversationSummary(
      peer: bob, last: .message(self.message(last)), unread: unread, unreadIsMore: false,
      mine: mine.map(self.at))
  }

  /// A book of which the mailbox is held from 100 on.
  private func book() -> ConversationBook {
    var book = ConversationBook(user: alice)
    _ = book.received(.connected(welcome(offset: self.at(100))))
    return book
  }

  private func read(_ offset: UInt64) -> ConnectEvent {
    .position(
      .init(peer: bob, delivered: nil, read: nil, mine: self.at(offset), stamp: offset))
  }

  private func unread(_ book: ConversationBook) -> (count: Int, isMore: Bool) {
    book.log(bob).unread(floor: book.floor)
  }

  @Test("are those that the first part of a list to name the peer says, and no later part")
  func namedTwice() throws {
    var book = self.book()
    _ = book.received(
      ConversationPage(conversations: [self.summary(90, unread: 5, mine: 20)]), isFirst: true)
    _ = book.received(
      ConversationPage(conversations: [self.summary(50, unread: 3, mine: 20)]), isFirst: false)
    #expect(self.unread(book) == (5, false))
    #expect(book.log(bob).last(floor: .zero)?.id == messageID(90))
  }

  @Test("may be more where some of what the list counted was read")
  func partlyRead() {
    var book = self.book()
    _ = book.received(
      ConversationPage(conversations: [self.summary(90, unread: 5, mine: 20)]), isFirst: true)
    _ = book.received(self.read(70))
    #expect(self.unread(book) == (0, true))
    _ = book.received(.message(self.message(110)))
    #expect(self.unread(book) == (1, true))
    _ = book.received(self.read(90))
    #expect(self.unread(book) == (1, false))
  }

  @Test("are not those of an answer that a later reading has overtaken")
  func overtakenAnswer() {
    var book = self.book()
    _ = book.received(self.read(70))
    _ = book.received(
      ConversationPage(conversations: [self.summary(90, unread: 5, mine: 20)]), isFirst: true)
    #expect(self.unread(book) == (0, true))
  }

  @Test("are as many after a compaction as before, though fewer messages are held")
  func compaction() throws {
    var book = ConversationBook(user: alice)
    _ = book.received(.connected(welcome()))
    _ = book.received(ConversationPage(conversations: []), isFirst: true)
    let count = ConnectClientLimits.storedEntries + 100
    for number in 1...count { _ = book.received(.message(self.message(UInt64(number)))) }
    #expect(self.unread(book) == (count, false))
    var compacted = ConversationBook(user: alice)
    for record in book.snapshot { compacted.apply(try BookRecord(bytes: record.bytes)) }
    #expect(compacted.log(bob).placed.count == ConnectClientLimits.storedEntries)
    #expect(self.unread(compacted) == (count, false))
    _ = compacted.received(self.read(UInt64(count - 1)))
    #expect(self.unread(compacted) == (1, false))
  }

  @Test("are as many when more messages are unread than are held")
  func heldEntries() {
    var book = ConversationBook(user: alice)
    _ = book.received(.connected(welcome()))
    _ = book.received(ConversationPage(conversations: []), isFirst: true)
    let count = ConnectClientLimits.heldEntries + 10
    for number in 1...count { _ = book.received(.message(self.message(UInt64(number)))) }
    #expect(self.unread(book) == (count, false))
  }
}
