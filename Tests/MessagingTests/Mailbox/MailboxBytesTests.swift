import BusTestSupport
import ConnectProtocol
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging
@testable import Redis

@Suite("A mailbox that is full by its bytes", .timeLimit(.minutes(20)))
struct MailboxBytesTests {
  private let bob = UserName("bob")!
  private let limits = MailboxLimits.ageless(bytes: 1024 * 1024, history: 1_000)

  /// Messages of 60 KiB: 17 of them have less than 1 MiB, 18 more.
  private func large(_ numbers: some Sequence<Int>) -> [MailboxWriter.Item] {
    numbers.map { .large(offset(UInt64($0)), bytes: 60 * 1024, id: "m\($0)") }
  }

  /// Waits until a writer knows what Redis says.
  private func measured(_ writer: MailboxWriter, _ bus: isolated Bus) async throws -> Int {
    #expect(try await eventually { writer.mailboxes[self.bob]?.isMeasured == true })
    #expect(try await eventually { writer.mailboxes.trimming.phase == .idle })
    return writer.mailboxes[self.bob]?.bytes ?? 0
  }

  /// Between two of its looks a writer may know what Redis said before the last trimming.
  private func expectMeasured(_ writer: MailboxWriter, _ bus: isolated Bus) async throws {
    #expect(
      try await eventually { try await self.measured(writer, bus) == self.memory(bus) },
      "it knows what Redis says")
  }

  private func memory(_ bus: isolated Bus) async throws -> Int {
    var cursor = try await bus.command(
      "MEMORY", "USAGE", "\(bus.keys.mailbox(self.bob))", "SAMPLES", "0")
    return cursor.isNil ? 0 : try cursor.integer()
  }

  @Test("takes no more, and has room again for what is acked, history or not")
  func full() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: self.limits)
      // It looks after nothing by itself: what it has written is all that it knows.
      writer.stop()
      try await bus.setCursor(.zero, of: self.bob)
      for number in 1...17 {
        let stored = try await writer.store(self.large(number...number))
        #expect(stored[0].overflowed.isEmpty, "\(number)")
      }
      for _ in 0..<2 {
        let stored = try await writer.store(
          self.large(18...19) + MailboxWriter.Item.messages(20...20, to: "eve"))
        #expect(stored[0].overflowed.map(\.offset) == [offset(18), offset(19)])
        #expect(stored[0].pushes.isEmpty && stored[0].refused.isEmpty)
        #expect(stored[1].pushes.count == 1)
      }
      // What was stored before never fails.
      #expect(try await writer.store(self.large(1...17))[0].pushes.count == 17)
      #expect(try await bus.length(bus.keys.mailbox(self.bob)) == 17)

      try await bus.setCursor(offset(5), of: self.bob)
      let stored = try await writer.store(self.large(21...30))
      // Five went, and as many bytes may come; Redis had counted a little more for all of them.
      #expect((3...5).contains(stored[0].pushes.count))
      #expect(stored[0].pushes.count + stored[0].overflowed.count == 10)
      #expect(try await bus.mailbox(self.bob).first?.offset == offset(6))
    }
  }

  @Test("takes of one batch what there is room for, in order")
  func batch() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: self.limits)
      _ = try await writer.store(self.large(1...1))
      _ = try await self.measured(writer, bus)
      let stored = try await writer.store(self.large(2...30))
      let count = stored[0].pushes.count
      #expect((14...16).contains(count))
      #expect(stored[0].pushes.map(\.offset) == (2..<2 + count).map { offset(UInt64($0)) })
      #expect(stored[0].overflowed.map(\.offset) == (2 + count...30).map { offset(UInt64($0)) })
      #expect(try await self.memory(bus) < 1_200_000)
    }
  }

  @Test("is known to an owner that has just begun, after its first batch")
  func restarted() async throws {
    try await Bus.run { bus in
      let first = MailboxWriter(keys: bus.keys, client: bus.client, limits: self.limits)
      _ = try await first.store(self.large(1...16))
      first.stop()
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: self.limits)
      _ = try await writer.store(self.large(17...17))
      try await self.expectMeasured(writer, bus)
      #expect(try await writer.store(self.large(18...18))[0].overflowed.count == 1)
      #expect(try await bus.length(bus.keys.mailbox(self.bob)) == 17)
    }
  }

  @Test("is noticed when somebody else has written to it")
  func otherWrote() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: self.limits)
      _ = try await writer.store(self.large(1...1))
      _ = try await self.measured(writer, bus)
      let other = MailboxWriter(keys: bus.keys, client: bus.client, limits: self.limits)
      _ = try await other.store(self.large(2...16))
      other.stop()
      _ = try await writer.store(MailboxWriter.Item.messages(17...17))
      try await self.expectMeasured(writer, bus)
      #expect(try await writer.store(self.large(18...18))[0].overflowed.count == 1)
    }
  }

  @Test("is full no more when somebody else has removed from it", arguments: [0, 3])
  func otherRemoved(left: Int) async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: self.limits)
      _ = try await writer.store(self.large(1...17))
      _ = try await self.measured(writer, bus)
      #expect(try await writer.store(self.large(18...18))[0].overflowed.count == 1)
      let mailbox = bus.keys.mailbox(self.bob)
      _ = try await bus.command("XTRIM", "\(mailbox)", "MAXLEN", "\(left)")
      #expect(try await writer.store(self.large(19...19))[0].pushes.count == 1)
      try await self.expectMeasured(writer, bus)
      #expect(try await bus.length(mailbox) == left + 1)
    }
  }

  @Test("counts what trimming has removed, and what Redis has gained by it")
  func trimmed() async throws {
    try await Bus.run { bus in
      let limits = MailboxLimits.ageless(history: 2)
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: limits)
      try await bus.setCursor(offset(.max), of: self.bob)
      _ = try await writer.store(self.large(1...10))
      let before = writer.mailboxes[self.bob]?.bytes ?? 0
      #expect(before > 10 * 60 * 1024 && before < 11 * 60 * 1024)
      #expect(try await eventually { try await bus.length(bus.keys.mailbox(self.bob)) == 2 })
      try await self.expectMeasured(writer, bus)
      #expect(try #require(writer.mailboxes[self.bob]).bytes < 3 * 60 * 1024)
    }
  }

  @Test("is bounded by what its owner wrote, where Redis does not say how large it is")
  func noRight() async throws {
    try await RedisFixture.withServer { server in
      let rights = AccessRights.services().filter { $0 != "+memory|usage" }
      try await server.command(["ACL", "SETUSER", "services", "on", ">secret"] + rights)
      let url = "redis://services:secret@127.0.0.1:\(server.port)"
      try await Bus.run(url: url) { bus in
        let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: self.limits)
        try await bus.setCursor(.zero, of: self.bob)
        for number in 1...17 {
          #expect(try await writer.store(self.large(number...number))[0].pushes.count == 1)
        }
        #expect(try await writer.store(self.large(18...19))[0].overflowed.count == 2)
        try await bus.setCursor(offset(5), of: self.bob)
        #expect(try await writer.store(self.large(20...25))[0].pushes.count == 5)
        // Less is there than it knows: it takes the rest for of average size.
        _ = try await bus.command("XTRIM", "\(bus.keys.mailbox(self.bob))", "MAXLEN", "7")
        #expect(try await writer.store(self.large(26...40))[0].pushes.count == 10)
      }
    }
  }

  @Test("is trimmed a few large entries at a time, until there is room for a whole batch")
  func portions() async throws {
    let bytes = MessagingLimits.bytesPerTrim
    var mailbox = KnownMailbox(length: 1_000)
    for (mean, maximum) in [
      (0, MessagingLimits.entriesPerTrim), (300, MessagingLimits.entriesPerTrim),
      (10_000, bytes / 10_000),
      (65_536, MessagingLimits.fewestEntriesPerTrim),
      (1 << 30, MessagingLimits.fewestEntriesPerTrim),
    ] {
      mailbox.measured(bytes: mean * 1_000)
      #expect(mailbox.entriesPerTrim == maximum)
    }
    try await Bus.run { bus in
      let limits = MailboxLimits.ageless(bytes: 4 * 1024 * 1024, history: 1_000)
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: limits)
      writer.stop()
      for number in 1...60 { _ = try await writer.store(self.large(number...number)) }
      // More than one call removes.
      try await bus.setCursor(offset(55), of: self.bob)
      let stored = try await writer.store(self.large(101...150))
      #expect(stored[0].pushes.count == 50)
      #expect(stored[0].overflowed.isEmpty)
      #expect(try #require(try await bus.mailbox(self.bob).first).offset > offset(40))
    }
  }

  @Test("costs a message no further command")
  func commands() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        func processed() async throws -> Int {
          let text = try await server.command("INFO", "stats").string ?? ""
          let name = "total_commands_processed:"
          let start = try #require(text.firstRange(of: name)).upperBound
          return try #require(Int(text[start...].prefix { $0.isNumber }))
        }
        let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: self.limits)
        _ = try await writer.store(MailboxWriter.Item.messages(1...1))
        _ = try await self.measured(writer, bus)
        let before = try await processed()
        for number in 2...51 {
          _ = try await writer.store(MailboxWriter.Item.messages(number...number))
        }
        // XADD, XLEN and HGETALL for each, and the question itself.
        #expect(try await processed() - before == 3 * 50 + 1)
      }
    }
  }
}
