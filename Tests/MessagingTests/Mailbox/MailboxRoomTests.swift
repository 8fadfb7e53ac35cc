import BusTestSupport
import ConnectProtocol
import Redis
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging

@Suite("A full mailbox", .timeLimit(.minutes(20)))
struct MailboxRoomTests {
  private let bob = UserName("bob")!

  @Test("takes no more, loses nothing unacked, and disturbs nobody else")
  func full() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(
        keys: bus.keys, client: bus.client, limits: .ageless(entries: 10, history: 2))
      try await bus.setCursor(.zero, of: self.bob)
      _ = try await writer.store(MailboxWriter.Item.messages(1...8))
      for _ in 0..<3 {
        // What was stored before is pushed again; it never fails.
        let stored = try await writer.store(
          MailboxWriter.Item.messages(7...12) + MailboxWriter.Item.messages(13...14, to: "eve"))
        #expect(stored[0].pushes.map(\.offset) == (7...10).map { offset($0) })
        #expect(stored[0].overflowed.map(\.offset) == [offset(11), offset(12)])
        #expect(stored[0].refused.isEmpty)
        #expect(stored[1].pushes.count == 2)
        #expect(stored[1].overflowed.isEmpty)
        #expect(try await bus.mailbox(self.bob).map(\.offset) == (1...10).map { offset($0) })
      }
      let repeated = try await writer.store(MailboxWriter.Item.messages(1...10))
      #expect(repeated[0].pushes.count == 10)
      #expect(repeated[0].overflowed.isEmpty)
      let retry = MailboxWriter.Item.message(offset(20), id: "m3", flags: .retry)
      #expect(try await writer.store([retry]).isEmpty)
    }
  }

  @Test("gets room from what all devices have acked, even from the history")
  func room() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(
        keys: bus.keys, client: bus.client, limits: .ageless(entries: 10, history: 8))
      try await bus.setCursor(offset(5), of: self.bob)
      try await bus.setCursor(offset(3), device: "laptop", of: self.bob)
      _ = try await writer.store(MailboxWriter.Item.messages(1...10))
      let stored = try await writer.store(MailboxWriter.Item.messages(11...15))
      #expect(stored[0].pushes.map(\.offset) == (11...13).map { offset($0) })
      #expect(stored[0].overflowed.map(\.offset) == [offset(14), offset(15)])
      #expect(try await bus.mailbox(self.bob).map(\.offset) == (4...13).map { offset($0) })
      // What was acked and removed is a repeat, too, and takes no room.
      let repeated = try await writer.store(
        MailboxWriter.Item.messages(1...13), seenBefore: offset(13))
      #expect(repeated[0].pushes.map(\.offset) == (4...13).map { offset($0) })
      #expect(repeated[0].overflowed.isEmpty)
      // The chain of previous offsets goes on from what was stored last.
      try await bus.setCursor(offset(13), of: self.bob)
      try await bus.setCursor(offset(13), device: "laptop", of: self.bob)
      let next = try await writer.store(MailboxWriter.Item.messages(16...18))
      #expect(next[0].pushes.map(\.offset) == (16...18).map { offset($0) })
      #expect(next[0].overflowed.isEmpty)
    }
  }

  @Test("may have got beyond its limit by one batch of a writer that does not know it")
  func overshoot() async throws {
    try await Bus.run { bus in
      let limits = MailboxLimits.ageless(entries: 10, history: 2)
      _ = try await MailboxWriter(keys: bus.keys, client: bus.client, limits: limits)
        .store(MailboxWriter.Item.messages(1...10))
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: limits)
      #expect(try await writer.store(MailboxWriter.Item.messages(11...14))[0].pushes.count == 4)
      let stored = try await writer.store(MailboxWriter.Item.messages(15...15))
      #expect(stored[0].overflowed.count == 1)
      #expect(try await bus.mailbox(self.bob).count == 14)
    }
  }

  @Test("has no room for what had to be put above its top either")
  func relocated() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(
        keys: bus.keys, client: bus.client, limits: .ageless(entries: 4, history: 2))
      _ = try await writer.store(MailboxWriter.Item.messages(11...13))
      let stored = try await writer.store(MailboxWriter.Item.messages([3, 4, 13]))
      #expect(stored[0].pushes.map(\.offset) == [offset(13), offset(13, 1)])
      #expect(stored[0].overflowed.map(\.offset) == [offset(4)])
    }
  }
}
