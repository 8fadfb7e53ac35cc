import BusTestSupport
import ConnectProtocol
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging
@testable import Redis

@Suite("The search for what a client sent before")
struct RetrySearchTests {
  private let bob = UserName("bob")!

  private func offset(_ number: Int) -> Offset {
    Offset(milliseconds: UInt64(number), sequence: 0)
  }

  private func entries(_ numbers: [Int]) -> [Mailbox.Entry] {
    MailboxWriter.Item.messages(numbers).map {
      Mailbox.Entry(offset: $0.offset, envelope: $0.envelope)
    }
  }

  private func item(_ number: Int, id: String) -> MailboxWriter.Item {
    .message(self.offset(number), id: id, flags: .retry)
  }

  @Test("goes on downwards until all that is sought was found, and no further")
  func stops() {
    var search = RetrySearch(
      [self.item(100, id: "m8"), self.item(101, id: "m5"), self.item(102, id: "m9")],
      isSought: [true, true, false], in: self.bob)
    search.read(self.entries([9, 8, 7]), to: .newest(3))
    #expect(search.known.map { $0 != nil } == [true, false, true])
    #expect(!search.isDone)
    search.read(self.entries([6, 5, 4]), to: .newest(3))
    #expect(search.known.map { $0 != nil } == [true, true, true])
    #expect(search.isDone)
  }

  @Test("ends where the mailbox ends, and where the window does")
  func ends() {
    var short = RetrySearch([self.item(100, id: "x")], isSought: [true], in: self.bob)
    short.read(self.entries([3, 2]), to: .newest(3))
    #expect(short.isDone && short.known.map { $0 != nil } == [false])

    var long = RetrySearch([self.item(9_000, id: "x")], isSought: [true], in: self.bob)
    var top = 8_000
    while !long.isDone {
      let question = long.question(atMost: 500)
      long.read(self.entries((0..<question.count).map { top - $0 }), to: question)
      top -= question.count
    }
    #expect(8_000 - top == MessagingLimits.retryWindowEntries)
    #expect(long.known.map { $0 != nil } == [false])
  }

  /// Number of entries that a search of a mailbox with one entry per second reads.
  private func entriesRead(by items: [MailboxWriter.Item]) -> Int {
    var search = RetrySearch(items, isSought: items.map { _ in true }, in: self.bob)
    var top = 10_000
    while !search.isDone {
      let question = search.question(atMost: 10)
      search.read(
        self.entries((0..<question.count).map { (top - $0) * 1_000 }), to: question)
      top -= question.count
    }
    return 10_000 - top
  }

  @Test("ends below the time at which the message was first sent, less what clocks differ")
  func dated() {
    let now = self.offset(10_000_001)
    let slack = Int(MessagingLimits.retrySlackMilliseconds / 1_000)
    // The last portion reaches below.
    let recent = self.entriesRead(by: [.dated(now, id: "x", firstSent: 9_900_000)])
    #expect((101 + slack...110 + slack).contains(recent))
    // The earliest counts, and one that does not say when, or says a time to come, is sought everywhere.
    let both = self.entriesRead(by: [
      .dated(now, id: "x", firstSent: 9_900_000), .dated(now, id: "y", firstSent: 9_500_000),
    ])
    #expect((501 + slack...510 + slack).contains(both))
    for item in [.dated(now, id: "y", firstSent: 10_000_002), self.item(10_000_001, id: "y")] {
      let all = self.entriesRead(by: [.dated(now, id: "x", firstSent: 9_900_000), item])
      #expect(all == MessagingLimits.retryWindowEntries)
    }
    #expect(self.entriesRead(by: [.dated(now, id: "x", firstSent: 0)]) == 2_048)
  }

  @Test("recognises what is within that time, and takes what is before for another message")
  func recognised() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let minute = 60_000
      _ = try await writer.store([.message(self.offset(10 * minute), id: "x")])
      _ = try await writer.store(MailboxWriter.Item.messages((1...40).map { 12 * minute + $0 }))
      for (firstSent, at, isStored) in [
        (10 * minute, 30, false), (10 * minute + minute, 31, false), (19 * minute, 32, true),
      ] {
        let fresh = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
        let stored = try await fresh.store([
          .dated(self.offset(at * minute), id: "x", firstSent: UInt64(firstSent))
        ])
        #expect(stored.flatMap(\.pushes).count == (isStored ? 1 : 0), "\(at)")
      }
      let last = try await bus.mailbox(self.bob).last
      // A mailbox has no use for the time.
      #expect(last?.envelope?.flags == .retry)
      #expect(last?.envelope?.idText == "x")
    }
  }

  @Test("takes an entry that finds itself for no repeat")
  func itself() {
    var search = RetrySearch([self.item(5, id: "m5")], isSought: [true], in: self.bob)
    search.read(self.entries([6, 5, 4]), to: .newest(3))
    #expect(search.known.map { $0 != nil } == [false])
  }

  @Test("reads what came since the last search, then what that one left, and nothing twice")
  func continues() {
    var first = RetrySearch([self.item(100, id: "x")], isSought: [true], in: self.bob)
    first.read(self.entries([9, 8, 7]), to: .newest(3))
    // It was cut here.
    var second = RetrySearch(
      [self.item(101, id: "y")], isSought: [true], in: self.bob, earlier: first.window)
    var batch = RedisBatch()
    _ = second.append(second.question(atMost: 16), of: RedisKey("m"), to: &batch)
    #expect(batch.encoded(0).elementsEqual(Self.command("XREVRANGE", "m", "+", "9-1", "16")))
    second.read(self.entries([11, 10]), to: .newest(16))
    #expect(!second.isDone)
    _ = second.append(second.question(atMost: 16), of: RedisKey("m"), to: &batch)
    let below = "6-\(UInt64.max)"
    #expect(batch.encoded(1).elementsEqual(Self.command("XREVRANGE", "m", below, "-", "16")))
    second.read(self.entries([6, 5]), to: .newest(16))
    #expect(second.isDone && second.known.map { $0 != nil } == [false])
    #expect(second.window?.entries.map(\.offset) == (5...11).reversed().map { self.offset($0) })

    var third = RetrySearch(
      [self.item(102, id: "z")], isSought: [true], in: self.bob, earlier: second.window)
    third.read([], to: .newest(16))
    #expect(third.isDone && third.known.map { $0 != nil } == [false])
  }

  private static func command(_ words: String...) -> [UInt8] {
    let words = words.dropLast() + ["COUNT", words.last!]
    return Array(
      ("*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()).utf8)
  }

  @Test("reads again only what was read before and seems to be sought, and believes what it reads")
  func verifies() {
    var first = RetrySearch([self.item(100, id: "x")], isSought: [true], in: self.bob)
    first.read(self.entries([9, 8, 7]), to: .newest(16))
    for isThere in [true, false] {
      var second = RetrySearch(
        [self.item(101, id: "m8")], isSought: [true], in: self.bob, earlier: first.window)
      #expect(second.question(atMost: 16) == .places([self.offset(8)]))
      second.read(isThere ? self.entries([8]) : [], to: .places([self.offset(8)]))
      #expect(second.known.map { $0 != nil } == [isThere])
      #expect(second.isDone == isThere)
      #expect(second.window == nil)
    }
  }

  @Test("reads more at a time while entries are small, and never more than fits, twice over")
  func portions() {
    #expect(NewestEntries.nextPortion(after: 16, entries: 16, bytes: 16 * 400) == 32)
    #expect(NewestEntries.nextPortion(after: 16, entries: 0, bytes: 0) == 32)
    let most = MessagingLimits.retryPortionEntries
    #expect(NewestEntries.nextPortion(after: most, entries: most, bytes: most * 400) == most)
    for size in [100, 6_000, 65_536, 20_000_000] {
      var portion = MessagingLimits.retryFirstPortionEntries
      for _ in 0..<20 {
        portion = NewestEntries.nextPortion(after: portion, entries: portion, bytes: portion * size)
      }
      #expect(portion >= 1)
      #expect(portion == 1 || portion * size <= MessagingLimits.retryPortionBytes)
    }
  }

  @Test("finds what many recipients were sent, wherever it stands, in one batch")
  func manyMailboxes() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let users = (0..<BusLimits.entriesPerRead).map { "user\($0)" }
      // Mailboxes of 0 to 254 entries: of one portion, of several, and empty.
      for (index, user) in users.enumerated() where index > 0 {
        _ = try await writer.store(MailboxWriter.Item.messages(1...(2 * index), to: user))
      }
      _ = writer.takeTally()
      var again: [MailboxWriter.Item] = []
      for (index, user) in users.enumerated() {
        // The oldest, one in the middle, or one that was never sent.
        let id = index % 3 == 2 ? "new" : "m\(index % 3 == 0 ? 1 : index)"
        again.append(
          .message(self.offset(10_000 + index), to: user, id: id, flags: .retry))
      }
      let stored = try await writer.store(again)
      let expected = users.indices.filter { $0 == 0 || $0 % 3 == 2 }.map { users[$0] }
      #expect(stored.map(\.recipient.text) == expected)
      #expect(writer.takeTally().clientRepeats == users.count - expected.count)
    }
  }
}
