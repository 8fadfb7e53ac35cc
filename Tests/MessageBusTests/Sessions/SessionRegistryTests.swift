import BusTestSupport
import ConnectProtocol
import Redis
import TestSupport
import Testing

@testable import MessageBus

@Suite("The session registry", .timeLimit(.minutes(20)))
struct SessionRegistryTests {
  private func session(
    _ device: String = "phone", _ gateway: String = "g1", _ connection: String = "c1"
  ) -> Session {
    Session(device: device, gateway: InstanceID(gateway)!, connection: connection)
  }

  private func register(_ session: Session, _ bus: isolated Bus, _ key: RedisKey) async throws
    -> Session?
  {
    var batch = RedisBatch()
    let holder = SessionRegistry.register(session, in: key, to: &batch)
    let replies = await bus.client.execute(batch)
    try replies.check()
    return try replies[holder]
  }

  private func sessions(_ bus: isolated Bus, _ key: RedisKey) async throws -> Set<Session> {
    Set(try await bus.client.value { SessionRegistry.sessions(key, to: &$0) })
  }

  private func remove(
    _ sessions: [(Session, of: RedisKey)], _ bus: isolated Bus
  ) async {
    await withCheckedContinuation { continuation in
      bus.client.removeSessions(sessions) { _ in continuation.resume() }
    }
  }

  @Test("knows each device's place, and whom a newer connection has replaced")
  func registers() async throws {
    try await Bus.run { bus in
      let key = bus.keys.session(UserName("bob")!)
      let none = try await self.sessions(bus, key)
      #expect(none == [])
      #expect(try await self.register(self.session(), bus, key) == nil)
      let laptop = self.session("laptop", "g2", "c/2")
      #expect(try await self.register(laptop, bus, key) == nil)
      let newer = self.session("phone", "g3", "c3")
      #expect(try await self.register(newer, bus, key) == self.session())
      #expect(try await self.sessions(bus, key) == [laptop, newer])
    }
  }

  @Test("removes a session only while the device has not connected again")
  func compareAndDelete() async throws {
    try await Bus.run { bus in
      let key = bus.keys.session(UserName("bob")!)
      let old = self.session()
      let new = self.session("phone", "g1", "c2")
      let other = self.session("laptop")
      for session in [old, other, new] { _ = try await self.register(session, bus, key) }
      await self.remove([(old, of: key)], bus)
      #expect(try await self.sessions(bus, key) == [new, other])
      await self.remove([(self.session("unknown"), of: key)], bus)
      #expect(try await self.sessions(bus, key) == [new, other])
      await self.remove([(new, of: key), (other, of: key)], bus)
      var exists = try await bus.command("EXISTS", "\(key)")
      #expect(try exists.integer() == 0)
    }
  }

  @Test("removes them also where the script was lost")
  func scriptFlush() async throws {
    try await RedisFixture.withServer { server in
      try await self.removesWithoutScript(url: server.url)
    }
  }

  private func removesWithoutScript(url: String) async throws {
    try await Bus.run(url: url) { bus in
      let bob = bus.keys.session(UserName("bob")!)
      let eve = bus.keys.session(UserName("eve")!)
      for round in 0..<2 {
        _ = try await self.register(self.session("phone", "g1", "c\(round)"), bus, bob)
        _ = try await self.register(self.session("phone", "g1", "c\(round)"), bus, eve)
        _ = try await bus.command("SCRIPT", "FLUSH")
        var known = try await bus.command("SCRIPT", "EXISTS", Script.removeSession.sha1)
        #expect(try known.array() == 1)
        #expect(try known.integer() == 0)
        await self.remove(
          [
            (self.session("phone", "g1", "c\(round)"), of: bob),
            (self.session("phone", "g1", "c\(round)"), of: eve),
          ], bus)
        #expect(try await self.sessions(bus, bob) == [])
        #expect(try await self.sessions(bus, eve) == [])
      }
    }
  }

  @Test("completes at once without sessions, and also without a connection")
  func completes() async throws {
    try await Bus.run { bus in
      await self.remove([], bus)
      try await bus.client.close().get()
      await self.remove([(self.session(), of: bus.keys.session(UserName("bob")!))], bus)
    }
  }

  @Test("leaves out what it cannot read")
  func unreadable() async throws {
    try await Bus.run { bus in
      let key = bus.keys.session(UserName("bob")!)
      for (device, value) in [
        ("a", ""), ("b", "g1"), ("c", "/c"), ("d", "g1/"), ("e", "g 1/c"), ("f", "g1/c"),
      ] {
        _ = try await bus.command("HSET", "\(key)", device, value)
      }
      #expect(try await self.sessions(bus, key) == [self.session("f", "g1", "c")])
    }
  }
}
