import BusTestSupport
import ConnectProtocol
import Messaging
import Redis
import TestSupport
import Testing

@testable import BackendAPI
@testable import MessageBus

@Suite("The erasing of a user", .timeLimit(.minutes(20)))
struct EraseScriptTests {
  private let bob = UserName("bob")!

  /// Tests number their entries from 1, which is 1970.
  private let ageless = MailboxLimits(retentionSeconds: 10_000_000_000)

  private func messages(_ numbers: ClosedRange<Int>) -> [MailboxWriter.Item] {
    numbers.map { number in
      MailboxWriter.Item(
        offset: offset(UInt64(number)),
        envelope: Envelope.Draft.message(id: "m\(number)").envelope)!
    }
  }

  private func fill(_ bus: isolated Bus, _ offsets: [Offset]) async throws {
    var batch = RedisBatch()
    for offset in offsets {
      batch.addEntry(to: bus.keys.mailbox(self.bob), at: offset, count: 1) { $0[0] = 120 }
    }
    try await bus.client.execute(batch).check()
  }

  private func erase(_ bus: isolated Bus) async throws -> UserErasure {
    try await UserEraser(keys: bus.keys, client: bus.client).erase(self.bob)
  }

  private func top(_ bus: isolated Bus) async throws -> Offset {
    try await bus.client.value { $0.top(of: bus.keys.mailbox(self.bob)) }
  }

  private func sessions(_ bus: isolated Bus) async throws -> Int {
    var cursor = try await bus.command("HLEN", "\(bus.keys.session(self.bob))")
    return try cursor.integer()
  }

  @Test("empties the mailbox, which keeps its top, and says what was removed")
  func empties() async throws {
    try await Bus.run { bus in
      // Ids beyond what a double holds.
      let all = (1...9).map { offset((1 << 60) + $0, .max - 1) }
      try await self.fill(bus, all)
      try await bus.setCursor(all[4], of: self.bob)
      try await bus.setCursor(all[2], device: "laptop", of: self.bob)
      #expect(try await self.erase(bus) == UserErasure(connections: 0, entries: 9))
      #expect(try await bus.length(bus.keys.mailbox(self.bob)) == 0)
      #expect(try await self.top(bus) == all[8])
      #expect(try await bus.cursors(self.bob) == ["!removed": "\(all[8])"])
      let life = BusLimits.mailboxRetentionSeconds + BusLimits.mailboxExpirySlackSeconds
      for key in [bus.keys.mailbox(self.bob), bus.keys.cursor(self.bob)] {
        #expect((life - 60...life).contains(try await bus.timeToLive(key)))
      }
    }
  }

  @Test("may be done again, and changes nothing then")
  func again() async throws {
    try await Bus.run { bus in
      try await self.fill(bus, [offset(1), offset(2)])
      #expect(try await self.erase(bus).entries == 2)
      #expect(try await self.erase(bus).entries == 0)
      #expect(try await self.top(bus) == offset(2))
      #expect(try await bus.cursors(self.bob) == ["!removed": "2-0"])
    }
  }

  @Test("makes no keys for a user of whom nothing is known")
  func unknown() async throws {
    try await Bus.run { bus in
      let erasure = try await self.erase(bus)
      #expect(erasure == UserErasure())
      for key in [
        bus.keys.mailbox(self.bob), bus.keys.cursor(self.bob), bus.keys.session(self.bob),
      ] {
        #expect(try await bus.timeToLive(key) == -2)
      }
    }
  }

  @Test("leaves what others must know: what was removed before, should it be above the top")
  func removedBefore() async throws {
    try await Bus.run { bus in
      try await self.fill(bus, [offset(5)])
      let key = "\(bus.keys.cursor(self.bob))"
      _ = try await bus.command("HSET", key, "!removed", "70-3", "phone", "5-0 1")
      _ = try await self.erase(bus)
      #expect(try await bus.cursors(self.bob) == ["!removed": "70-3"])
      // Nonsense says nothing.
      _ = try await bus.command("HSET", key, "!removed", "nonsense")
      _ = try await self.erase(bus)
      #expect(try await bus.cursors(self.bob) == ["!removed": "5-0"])
    }
  }

  @Test("goes part by part through a long mailbox")
  func parts() async throws {
    try await Bus.run { bus in
      let count = 2 * BackendAPILimits.entriesPerErasure + 7
      try await self.fill(bus, (1...count).map { offset(UInt64($0)) })
      #expect(try await self.erase(bus).entries == count)
      #expect(try await bus.length(bus.keys.mailbox(self.bob)) == 0)
      #expect(try await self.top(bus) == offset(UInt64(count)))
    }
  }

  @Test("takes away sessions of gateways that are gone, and tells those that are there")
  func sessions() async throws {
    try await Bus.run { bus in
      let (here, gone) = (InstanceID("here")!, InstanceID("gone")!)
      _ = try await bus.command(
        "XGROUP", "CREATE", "\(bus.keys.outgoing(here))", "gateway", "0", "MKSTREAM")
      var batch = RedisBatch()
      for (device, gateway) in [("phone", here), ("tablet", here), ("web", gone)] {
        _ = SessionRegistry.register(
          Session(device: device, gateway: gateway, connection: "c1"),
          in: bus.keys.session(self.bob), to: &batch)
      }
      try await bus.client.execute(batch).check()
      let connections = UserConnections(keys: bus.keys, client: bus.client)
      #expect(try await connections.close(self.bob, device: DeviceName("phone")!) == 1)
      #expect(try await connections.close(self.bob, device: DeviceName("none")!) == 0)
      #expect(try await connections.close(self.bob) == 2)
      #expect(try await eventually { try await self.sessions(bus) == 2 })
      // Nobody takes the sessions away: this test is not a gateway.
      #expect(try await self.erase(bus).connections == 2)
      #expect(try await self.sessions(bus) == 0)
      let told = try await bus.entries(bus.keys.outgoing(here)).flatMap { entry in
        Delivery.list(try #require(entry.payload)).map { delivery in
          if case .closing(let user, let device, let isErased) = delivery {
            "\(user) \(device?.text ?? "all") \(isErased)"
          } else {
            "something else"
          }
        }
      }
      #expect(
        told == ["bob phone false", "bob all false", "bob all true", "bob all true"])
    }
  }

  @Test("is all or nothing where a key is of another type")
  func otherType() async throws {
    try await Bus.run { bus in
      for key in [bus.keys.mailbox(self.bob), bus.keys.session(self.bob)] {
        try await self.fill(bus, [offset(1)])
        try await bus.setCursor(.zero, of: self.bob)
        _ = try await bus.command("DEL", "\(key)")
        _ = try await bus.command("SET", "\(key)", "1")
        let error = await #expect(throws: RedisError.self) { try await self.erase(bus) }
        guard case .server(let reply) = error else { throw error ?? .unavailable("no error") }
        #expect(reply.message.contains("WRONGTYPE"))
        #expect(!reply.isTransient)
        #expect(try await bus.cursors(self.bob)["phone"] != nil)
        _ = try await bus.command(
          "DEL", "\(bus.keys.mailbox(self.bob))", "\(bus.keys.cursor(self.bob))",
          "\(bus.keys.session(self.bob))")
      }
    }
  }

  @Test("works when memory is full")
  func outOfMemory() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        try await self.fill(bus, (1...50).map { offset($0) })
        _ = try await bus.command("CONFIG", "SET", "maxmemory", "1")
        #expect(try await self.erase(bus).entries == 50)
        #expect(try await bus.cursors(self.bob) == ["!removed": "50-0"])
      }
    }
  }

  @Test("a mailbox then refuses what the bus repeats, and takes what is new")
  func repeats() async throws {
    try await Bus.run { bus in
      let items = self.messages(1...4)
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: self.ageless)
      _ = try await writer.store(Array(items.prefix(3)))
      _ = try await self.erase(bus)
      // Another owner repeats the batch of its predecessor, and goes on.
      let next = MailboxWriter(keys: bus.keys, client: bus.client, limits: self.ageless)
      let stored = try await next.store(items, seenBefore: items[2].offset)
      #expect(stored.flatMap(\.pushes).map(\.offset) == [items[3].offset])
      #expect(try await bus.mailbox(self.bob).map(\.offset) == [items[3].offset])
      // The owner that wrote before knows that its memory is no longer true.
      let more = self.messages(5...5)
      #expect(try await writer.store(more).flatMap(\.pushes).map(\.previous) == [.zero])
    }
  }
}
