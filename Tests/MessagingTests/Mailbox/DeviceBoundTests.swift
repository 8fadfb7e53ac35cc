import BusTestSupport
import ConnectProtocol
import Redis
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging

@Suite("The bound of a user's devices", .timeLimit(.minutes(20)))
struct DeviceBoundTests {
  private let bob = UserName("bob")!

  /// As a gateway does it when a device connects.
  private func connect(
    _ device: String, maximum: Int, seen: UInt64, _ bus: isolated Bus
  ) async throws -> (position: Cursors.Position, outcome: DeviceBound.Outcome?) {
    let session = Session(device: device, gateway: InstanceID("g")!, connection: device)
    let (cursor, name) = (bus.keys.cursor(self.bob), DeviceName(device)!)
    var batch = RedisBatch()
    let place = Cursors.position(of: name, in: cursor, to: &batch)
    _ = SessionRegistry.register(session, in: bus.keys.session(self.bob), to: &batch)
    Cursors.introduce(name, seenSeconds: seen, in: cursor, to: &batch)
    let fields = DeviceBound.count(in: cursor, to: &batch)
    let replies = await bus.client.execute(batch)
    let position = try replies[place]
    guard DeviceBound.isExceeded(maximum, at: position, fields: try replies[fields]) else {
      return (position, nil)
    }
    let outcome = try await bus.client.value { batch in
      DeviceBound.enforce(
        maximum, for: session, isNew: position.seenSeconds == nil, keys: bus.keys,
        user: self.bob, to: &batch)
    }
    return (position, outcome)
  }

  private func disconnect(_ device: String, _ bus: isolated Bus) async throws {
    _ = try await bus.command("HDEL", "\(bus.keys.session(self.bob))", device)
  }

  private func devices(_ bus: isolated Bus) async throws -> [String] {
    try await bus.cursors(self.bob).keys.filter { !$0.hasPrefix("!") }.sorted()
  }

  @Test(
    "displaces the device that was not seen for longest and is not connected, which then has a gap")
  func displaces() async throws {
    try await Bus.run { bus in
      for (index, device) in ["a", "b", "c"].enumerated() {
        let (position, outcome) = try await self.connect(
          device, maximum: 3, seen: UInt64(10 + index), bus)
        #expect(!position.hasGap)
        #expect(outcome == nil, "there is room")
      }
      // The oldest is connected.
      for device in ["b", "c"] { try await self.disconnect(device, bus) }
      let fourth = try await self.connect("d", maximum: 3, seen: 20, bus)
      #expect(fourth.outcome == DeviceBound.Outcome(mayStay: true, displaced: 1))
      #expect(!fourth.position.hasGap)
      #expect(try await self.devices(bus) == ["a", "c", "d"])

      // Who is known has none, however often others are displaced.
      let known = try await self.connect("c", maximum: 3, seen: 30, bus)
      #expect(known.outcome == nil)
      #expect(!known.position.hasGap)
      try await self.disconnect("c", bus)
      let back = try await self.connect("b", maximum: 3, seen: 31, bus)
      #expect(back.position.hasGap)
      #expect(try await self.devices(bus) == ["a", "b", "d"])
    }
  }

  @Test("refuses a new device when all are connected, and leaves nothing of it")
  func refuses() async throws {
    try await Bus.run { bus in
      for device in ["a", "b"] { _ = try await self.connect(device, maximum: 2, seen: 10, bus) }
      let third = try await self.connect("c", maximum: 2, seen: 20, bus)
      #expect(third.outcome == DeviceBound.Outcome(mayStay: false, displaced: 0))
      #expect(try await self.devices(bus) == ["a", "b"])
      var sessions = try await bus.command("HKEYS", "\(bus.keys.session(self.bob))")
      #expect(try sessions.array() == 2)
      // A limit that was lowered ends nobody who is known.
      let known = try await self.connect("a", maximum: 1, seen: 21, bus)
      #expect(known.outcome == DeviceBound.Outcome(mayStay: true, displaced: 0))
      #expect(try await self.devices(bus) == ["a", "b"])
    }
  }

  @Test("takes a user of an earlier release down to it in steps, whoever asks")
  func steps() async throws {
    try await Bus.run { bus in
      let cursor = bus.keys.cursor(self.bob)
      let count = 20_000
      for start in stride(from: 0, to: count, by: 1_000) {
        let fields = (start..<start + 1_000).flatMap { ["old\($0)", "1-0 \($0 + 1)"] }
        var batch = RedisBatch()
        batch.append(key: cursor, words: ["HSET", "\(cursor)"] + fields)
        try await bus.client.execute(batch).check()
      }
      var left = count
      let calls = (count - BusLimits.maximumDevices + 511) / 512
      for _ in 0..<calls {
        let trim = try await bus.trim(self.bob, .ageless(history: 10))
        let now = try await self.devices(bus).count
        #expect(trim.hasCrowd == (now > BusLimits.maximumDevices))
        // It makes progress, and never looks at all of them.
        #expect(now < left && left - now <= 512, "from \(left) to \(now)")
        left = now
      }
      #expect(left == BusLimits.maximumDevices)

      let new = try await self.connect("new", maximum: 32, seen: 1 << 40, bus)
      #expect(new.outcome?.mayStay == true)
      #expect(new.position.hasGap, "it may be one of those")
      #expect(try await self.devices(bus).count == 32)
      #expect(try await self.devices(bus).contains("new"))
    }
  }

  @Test("counts no device for what else stands beside the cursors")
  func marks() async throws {
    try await Bus.run { bus in
      let cursor = bus.keys.cursor(self.bob)
      _ = try await bus.command("HSET", "\(cursor)", "!removed", "5-0", "!displaced", "7")
      for device in ["a", "b"] {
        #expect(try await self.connect(device, maximum: 2, seen: 10, bus).outcome == nil)
      }
      try await self.disconnect("a", bus)
      let third = try await self.connect("c", maximum: 2, seen: 11, bus)
      #expect(third.outcome?.displaced == 1)
      let fields = try await bus.cursors(self.bob)
      #expect(fields["!removed"] == "5-0")
      #expect(Set(fields.keys) == ["!removed", "!displaced", "b", "c"])
      // Nor does trimming take them for devices.
      _ = try await bus.trim(self.bob, .ageless(history: 10))
      #expect(try await Set(bus.cursors(self.bob).keys) == ["!removed", "!displaced", "b", "c"])
    }
  }
}
