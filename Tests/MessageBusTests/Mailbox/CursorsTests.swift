import BusTestSupport
import ConnectProtocol
import Redis
import TestSupport
import Testing

@testable import MessageBus

@Suite("The cursors", .timeLimit(.minutes(20)))
struct CursorsTests {
  private func position(
    _ device: DeviceName, _ bus: isolated Bus, _ key: RedisKey
  ) async throws -> Cursors.Position {
    try await bus.client.value { Cursors.position(of: device, in: key, to: &$0) }
  }

  @Test("hold the last acked offset of each device, zero at first")
  func devices() async throws {
    try await Bus.run { bus in
      let key = bus.keys.cursor(UserName("bob")!)
      let phone = DeviceName("phone")!
      let laptop = DeviceName("laptop")!
      #expect(try await self.position(phone, bus, key).acked == .zero)
      #expect(try await self.position(phone, bus, key).seenSeconds == nil)
      var batch = RedisBatch()
      _ = Cursors.store(offset(.max, .max), of: phone, seenSeconds: 9, in: key, to: &batch)
      _ = Cursors.store(offset(5, 1), of: laptop, seenSeconds: 8, in: key, to: &batch)
      _ = Cursors.store(offset(7), of: laptop, seenSeconds: .max, in: key, to: &batch)
      try await bus.client.execute(batch).check()
      #expect(try await self.position(phone, bus, key).acked == offset(.max, .max))
      #expect(try await self.position(laptop, bus, key).acked == offset(7))
      #expect(try await self.position(phone, bus, key).seenSeconds == 9)
      #expect(try await self.position(laptop, bus, key).seenSeconds == .max)
      #expect(try await self.position(laptop, bus, key).removed == .zero)
      #expect(try await !self.position(laptop, bus, key).hasGap)
    }
  }

  @Test("tell when a device was last seen, the highest of all, if any says")
  func lastSeen() async throws {
    try await Bus.run { bus in
      let key = bus.keys.cursor(UserName("bob")!)
      func lastSeen() async throws -> UInt64? {
        try await bus.client.value { Cursors.lastSeen(in: key, to: &$0) }
      }
      #expect(try await lastSeen() == nil)
      _ = try await bus.command(
        "HSET", "\(key)", "old", "5-0", "none", "5-0 0", "odd", "5-0 x", "beyond",
        "5-0 18446744073709551615", Cursors.removedField, "5-0 99", Cursors.displacedField, "1 99")
      #expect(try await lastSeen() == nil)
      _ = try await bus.command("HSET", "\(key)", "phone", "5-0 30", "tablet", "9-0 20")
      #expect(try await lastSeen() == 30)
      _ = try await bus.command("HSET", "\(key)", "tablet", "0-0 40")
      #expect(try await lastSeen() == 40)
    }
  }

  @Test("tell a gap: what retention removed above the last ack")
  func gaps() async throws {
    try await Bus.run { bus in
      let key = bus.keys.cursor(UserName("bob")!)
      let device = DeviceName.default
      _ = try await bus.command("HSET", "\(key)", Cursors.removedField, "5-0", device.text, "4-9")
      #expect(try await self.position(device, bus, key).hasGap)
      for acked in ["5-0", "5-1", "6"] {
        _ = try await bus.command("HSET", "\(key)", device.text, acked)
        #expect(try await !self.position(device, bus, key).hasGap)
        // A value that does not say when the device was seen.
        #expect(try await self.position(device, bus, key).seenSeconds == 0)
      }
      _ = try await bus.command("HSET", "\(key)", device.text, "nonsense")
      #expect(try await self.position(device, bus, key).acked == .zero)
    }
  }
}
