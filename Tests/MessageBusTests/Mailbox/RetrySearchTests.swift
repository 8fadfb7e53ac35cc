import ConnectProtocol
import Testing

@testable import MessageBus

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
      isSought: [true, true, false])
    search.read(self.entries([9, 8, 7]), asked: 3)
    #expect(search.isKnown == [true, false, true])
    #expect(!search.isDone)
    #expect(search.newest.below == self.offset(7))
    search.read(self.entries([6, 5, 4]), asked: 3)
    #expect(search.isKnown == [true, true, true])
    #expect(search.isDone)
  }

  @Test("ends where the mailbox ends, and where the window does")
  func ends() {
    var short = RetrySearch([self.item(100, id: "x")], isSought: [true])
    short.read(self.entries([3, 2]), asked: 3)
    #expect(short.isDone && short.isKnown == [false])

    var long = RetrySearch([self.item(9_000, id: "x")], isSought: [true])
    var top = 8_000
    while !long.isDone {
      let count = min(500, long.newest.left)
      long.read(self.entries((0..<count).map { top - $0 }), asked: count)
      top -= count
    }
    #expect(8_000 - top == BusLimits.retryWindowEntries)
    #expect(long.isKnown == [false])
  }

  @Test("takes an entry that finds itself for no repeat")
  func itself() {
    var search = RetrySearch([self.item(5, id: "m5")], isSought: [true])
    search.read(self.entries([6, 5, 4]), asked: 3)
    #expect(search.isKnown == [false])
  }

  @Test("reads more at a time while entries are small, and never more than fits, twice over")
  func portions() {
    #expect(NewestEntries.nextPortion(after: 256, entries: 256, bytes: 256 * 400) == 512)
    #expect(NewestEntries.nextPortion(after: 256, entries: 0, bytes: 0) == 512)
    let most = BusLimits.retryPortionEntries
    #expect(NewestEntries.nextPortion(after: most, entries: most, bytes: most * 400) == most)
    for size in [100, 6_000, 65_536, 20_000_000] {
      var portion = BusLimits.retryFirstPortionEntries
      for _ in 0..<20 {
        portion = NewestEntries.nextPortion(after: portion, entries: portion, bytes: portion * size)
      }
      #expect(portion >= 1)
      #expect(portion == 1 || portion * size <= BusLimits.retryPortionBytes)
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
