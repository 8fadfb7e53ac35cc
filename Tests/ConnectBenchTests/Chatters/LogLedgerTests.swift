import ConnectClient
import ConnectProtocol
import Gateway
import NIOCore
import Testing

@testable import ConnectBench

/// A comparison that accepts what is wrong proves nothing.
@Suite("The ledger of lists and histories")
struct LogLedgerTests {
  /// Users 1 and 2 write to user 0, who writes to user 1.
  private static let fromOne = 0
  private static let fromTwo = 1
  private static let toOne = 2
  private var ledger = LogLedger(
    directions: [.init(from: 1, to: 0), .init(from: 2, to: 0), .init(from: 0, to: 1)], users: 3)

  /// Fifteen entries: three messages of user 1, of user 2, and to user 1, five times over. Each fifth of a
  /// conversation is quiet.
  init() {
    for number in 0..<5 {
      for conversation in 0..<3 { self.store(conversation, number) }
    }
  }

  private static func at(_ conversation: Int, _ number: Int) -> Offset {
    Offset(milliseconds: UInt64(1 + 10 * number + conversation), sequence: 0)
  }

  private mutating func store(_ conversation: Int, _ number: Int) {
    self.ledger.stored(
      .init(conversation: conversation, number: number), isCopy: conversation == Self.toOne, of: 0,
      at: Self.at(conversation, number))
  }

  private static func entry(
    _ conversation: Int, _ number: Int, at offset: Offset? = nil, quiet: Bool? = nil
  ) -> MailboxEntry {
    let id = MessageID("\(conversation).\(number)")!
    let body = MessageBody(ByteBuffer(string: ChatBody.text(id, bytes: 60)))
    let offset = offset ?? self.at(conversation, number)
    let quiet = quiet ?? (number % FaultLimits.quietEvery == FaultLimits.quietEvery - 1)
    return conversation == self.toOne
      ? .sent(
        SentMessage(
          offset: offset, peerOffset: offset, to: Chatters.name(1), id: id, at: 1, body: body,
          quiet: quiet))
      : .message(
        IncomingMessage(
          offset: offset, from: Chatters.name(conversation == self.fromOne ? 1 : 2), id: id, at: 1,
          body: body, quiet: quiet))
  }

  // MARK: Histories

  /// All that is stored, newest first.
  private static let all = (0..<5).reversed().flatMap { number in
    (0..<3).reversed().map { entry($0, number) }
  }

  private mutating func history(
    _ entries: [MailboxEntry], with peer: Int? = nil, isTrimmed: Bool = false,
    end: Offset = .zero, isOptional: (Ledger.Place) -> Bool = { _ in false }
  ) -> [String] {
    self.ledger.faults(
      in: .init(user: 0, peer: peer, entries: entries, isTrimmed: isTrimmed, end: end),
      isOptional: isOptional)
  }

  @Test("a history has everything, newest first, or everything of one peer")
  mutating func complete() {
    #expect(self.history(Self.all) == [])
    let ofTwo = (0..<5).reversed().map { Self.entry(Self.fromTwo, $0) }
    #expect(self.history(ofTwo, with: 2) == [])
    #expect(self.history(Array(ofTwo.prefix(2)), with: 2, end: Self.at(Self.fromTwo, 3)) == [])
    #expect(self.history(Array(ofTwo.prefix(2)), with: 2, end: Self.at(Self.fromTwo, 2)) != [])
    #expect(self.history(ofTwo, with: 1) != [])
    #expect(self.history(Self.all, with: 2) != [])
  }

  @Test("a history is wrong if an entry is missing, out of order, of nobody, or not as it was sent")
  mutating func wrong() {
    for index in Self.all.indices {
      var entries = Self.all
      entries.remove(at: index)
      #expect(self.history(entries).count == 1)
    }
    var swapped = Self.all
    swapped.swapAt(3, 4)
    #expect(self.history(swapped) != [])
    #expect(self.history([Self.entry(Self.fromOne, 5)] + Self.all) != [])
    var other = Self.all
    other[0] = Self.entry(Self.toOne, 4, quiet: false)
    #expect(self.history(other) != [])
    other[0] = Self.entry(Self.fromOne, 2, at: Self.at(Self.toOne, 4))
    #expect(self.history(other) != [])
  }

  @Test("what is trimmed is missing at the bottom only, and for every peer")
  mutating func trimmed() {
    let kept = Array(Self.all.prefix(9))
    #expect(self.history(kept) != [])
    #expect(self.history(kept, isTrimmed: true) == [])
    #expect(self.history(Array(Self.all.prefix(6)), with: 1, isTrimmed: true) != [])
    let ofTwo = (2..<5).reversed().map { Self.entry(Self.fromTwo, $0) }
    #expect(self.history(ofTwo, with: 2, isTrimmed: true) == [])
    #expect(self.history(Array(ofTwo.dropLast()), with: 2, isTrimmed: true).count == 1)
    #expect(self.history([], isTrimmed: true) != [])
  }

  @Test("what may be lost may be missing, and what is stored twice may come twice")
  mutating func optional() {
    let kept = Array(Self.all.prefix(9))
    #expect(self.history(kept) { $0.number < 2 } == [])
    #expect(self.history(kept) { $0.number < 1 } != [])
    let again = Self.entry(
      Self.fromOne, 4, at: Offset(milliseconds: Self.at(Self.toOne, 4).milliseconds, sequence: 1))
    #expect(self.history([again] + Self.all) == [])
    #expect(self.history(Self.all) == [])
  }

  // MARK: Lists

  private typealias Row = PositionLedger.Row

  /// How far user 0 has read what user 1 writes, and everybody else nothing.
  private static let mine = Self.at(Self.fromOne, 0)

  private static func row(_ peer: Int) -> Row {
    peer == 1 ? Row(delivered: self.at(2, 3), read: self.at(2, 1), mine: self.mine) : Row()
  }

  /// Messages 1, 2 and 3 of user 1 are unread, and 0 to 3 of user 2; number 4 is quiet.
  private static let one = ConversationSummary(
    peer: Chatters.name(1), last: entry(toOne, 3), unread: 3, delivered: at(2, 3), read: at(2, 1),
    mine: mine)
  private static let two = ConversationSummary(
    peer: Chatters.name(2), last: entry(fromTwo, 3), unread: 4)

  private func list(
    _ parts: [ConversationSummary]..., isSettled: Bool = true, known: Bool = true,
    isOptional: (Ledger.Place) -> Bool = { _ in false }
  ) -> [String] {
    self.ledger.faults(
      in: .init(
        user: 0, parts: parts.map { (nil, ConversationPage(conversations: $0)) },
        known: known ? self.ledger.newest(of: 0) : [:]),
      isSettled: isSettled, bounds: { (Self.row($0), Self.row($0)) }, isOptional: isOptional)
  }

  @Test("a list names everybody once, the newest first, in one part or more")
  func named() {
    #expect(self.list([Self.one, Self.two]) == [])
    #expect(self.list([Self.one], [], [Self.two]) == [])
    #expect(self.list([Self.two, Self.one]) != [])
    #expect(self.list([Self.one, Self.one, Self.two]) != [])
    #expect(self.list([Self.one]) != [])
    #expect(self.list([Self.two]) != [])
    #expect(self.list([Self.one], isSettled: false) != [])
    #expect(self.list([Self.one], isSettled: false, known: false) == [])
    // Named before: ignored.
    var again = Self.one
    again.unread = 17
    #expect(self.list([Self.one], [Self.two, again]) == [])
  }

  @Test("a list is wrong if it counts one too many or too few, a copy, or a quiet message")
  func unread() {
    for isSettled in [true, false] {
      for wrong in [-1, 1, 4] {
        var (one, two) = (Self.one, Self.two)
        one.unread += wrong
        #expect(self.list([one, Self.two], isSettled: isSettled).count == 1)
        two.unread += wrong
        #expect(self.list([Self.one, two], isSettled: isSettled).count == 1)
      }
    }
    // Fewer where what is lost was excused.
    var one = Self.one
    one.unread = 1
    #expect(self.list([one, Self.two]) { $0.number < 3 } == [])
    one.unread = 0
    #expect(self.list([one, Self.two]) { $0.number < 3 } != [])
  }

  @Test("a list is wrong if its newest message is an older one, a quiet one, another's, or none")
  func last() {
    for last in [
      Self.entry(Self.fromOne, 3), Self.entry(Self.toOne, 4), Self.entry(Self.fromTwo, 3), nil,
    ] {
      var one = Self.one
      one.last = last
      #expect(self.list([one, Self.two]) != [])
    }
    // Of an earlier moment, with what was unread then.
    var one = Self.one
    one.last = Self.entry(Self.toOne, 1)
    one.unread = 1
    #expect(self.list([Self.two, one], isSettled: false) == [])
    one.unread = 2
    #expect(self.list([Self.two, one], isSettled: false) != [])
  }

  @Test("a list is wrong if positions are behind, or ahead of what has happened")
  func positions() {
    var one = Self.one
    one.delivered = Self.at(2, 2)
    #expect(self.list([one, Self.two]).count == 1)
    #expect(self.list([one, Self.two], isSettled: false) == [])
    one.delivered = Self.at(2, 4)
    #expect(self.list([one, Self.two], isSettled: false).count == 1)
    one = Self.one
    one.read = nil
    #expect(self.list([one, Self.two]).count == 1)
    one = Self.one
    one.mine = Self.at(Self.fromOne, 1)
    one.unread = 2
    #expect(self.list([one, Self.two]).count == 1)
  }

  @Test("more may be unread only where the look ended before what is read")
  mutating func bounded() {
    var two = Self.two
    two.unreadIsMore = true
    #expect(self.list([Self.one, two]).count == 1)
    // Above what is looked at nothing but the newest of user 1 counts.
    for number in 5..<600 { self.store(Self.fromOne, number) }
    var one = Self.one
    one.last = Self.entry(Self.fromOne, 598)
    one.unread = 409
    one.unreadIsMore = true
    #expect(self.list([one], [Self.two]) == [])
    one.unread = 408
    #expect(self.list([one], [Self.two]) != [])
    one.unread = 1_000
    #expect(self.list([one], [Self.two]) != [])
    one.unread = 409
    one.unreadIsMore = false
    #expect(self.list([one], [Self.two]) != [])
  }

  @Test("more may be unread where the look ended at the bottom, which it does not know")
  mutating func boundedAtBottom() {
    var (one, two) = (Self.one, Self.two)
    two.unreadIsMore = true
    let further = 5..<(GatewayLimits.requestEntries - 10)
    for number in further.dropLast() { self.store(Self.fromOne, number) }
    one.last = Self.entry(Self.fromOne, further.upperBound - 2)
    one.unread += further.dropLast().count(where: {
      $0 % FaultLimits.quietEvery != FaultLimits.quietEvery - 1
    })
    #expect(self.list([one, two]).count == 1)
    self.store(Self.fromOne, further.upperBound - 1)
    one.last = Self.entry(Self.fromOne, further.upperBound - 1)
    one.unread += 1
    #expect(self.list([one, two]) == [])
  }

  @Test("of what is trimmed nothing need be told but that more may be unread")
  mutating func trimmedList() {
    #expect(self.history(Array(Self.all.prefix(6)), isTrimmed: true) == [])
    var (one, two) = (Self.one, Self.two)
    one.unread = 1
    two.unread = 1
    #expect(self.list([one, two]).count == 2)
    one.unreadIsMore = true
    two.unreadIsMore = true
    #expect(self.list([one, two]) == [])
    one.unread = 0
    #expect(self.list([one, two]).count == 1)
    #expect(self.history([Self.entry(Self.toOne, 4)], isTrimmed: true) == [])
    let bare = ConversationSummary(
      peer: Chatters.name(1), unread: 0, delivered: Self.at(2, 3), read: Self.at(2, 1),
      mine: Self.mine)
    #expect(self.list([bare]) == [])
    #expect(self.list([]) != [], "it has a position")
  }
}
