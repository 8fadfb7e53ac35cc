import BusTestSupport
import ConnectProtocol
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging

@Suite("An original that comes after its repeat", .timeLimit(.minutes(20)))
struct LateOriginalTests {
  private func retry(_ number: UInt64, _ id: String) -> MailboxWriter.Item {
    .message(offset(number), id: id, flags: .retry)
  }

  private func original(_ number: UInt64, _ id: String, from: String = "alice")
    -> MailboxWriter.Item
  {
    .message(offset(number), from: from, id: id)
  }

  @Test("is left out, in the same batch or a later one")
  func dropped() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let stored = try await writer.store([
        self.retry(1, "a"), self.original(2, "a"), self.original(3, "b"), self.retry(4, "c"),
      ])
      #expect(stored[0].pushes.map(\.offset) == [1, 3, 4].map { offset($0) })
      #expect(try await writer.store([self.original(5, "c")]).isEmpty)
      let next = try await writer.store([
        self.original(6, "c"), self.original(7, "a"), self.original(8, "d"),
        self.original(9, "a", from: "carol"),
      ])
      #expect(next[0].pushes.map(\.offset) == [offset(8), offset(9)])
      // The bus repeats the repeat itself: that is not an original, and stays.
      #expect(try await writer.store([self.retry(4, "c")])[0].pushes.map(\.offset) == [offset(4)])
      let mailbox = try await bus.mailbox(UserName("bob")!)
      #expect(mailbox.map { $0.envelope?.idText } == ["a", "b", "c", "d", "a"])
    }
  }

  @Test("is recognised by an owner that only saw the bus repeat it")
  func newOwner() async throws {
    try await Bus.run { bus in
      _ = try await MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
        .store([self.retry(1, "a")])
      let owner = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await owner.store([self.retry(1, "a")])
      #expect(try await owner.store([self.original(2, "a")]).isEmpty)
    }
  }

  @Test("does not stop a batch whose mailbox is of another type")
  func wrongType() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await bus.command("SET", "\(bus.keys.mailbox(UserName("bob")!))", "no stream")
      for item in [self.retry(1, "a"), self.original(2, "a")] {
        let stored = try await writer.store([item, .message(item.offset, to: "eve", id: "e")])
        #expect(stored[0].refused.map(\.1.code) == ["WRONGTYPE"])
        #expect(stored[1].pushes.count == 1)
      }
    }
  }

  @Test("is remembered within a bound, the newest half always")
  func bound() {
    var retries = StoredRetries(capacity: 100)
    #expect(retries.isEmpty)
    for number in 0..<1_000 {
      retries.insert(self.retry(1, "m\(number)"))
      for recent in max(0, number - 49)...number {
        #expect(retries.mayContain(self.original(2, "m\(recent)")))
      }
    }
    #expect((0..<1_000).count { retries.mayContain(self.original(2, "m\($0)")) } <= 100)
  }
}
