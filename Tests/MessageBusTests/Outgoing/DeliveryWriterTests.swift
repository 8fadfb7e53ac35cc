import BusTestSupport
import ConnectProtocol
import NIOCore
import Redis
import TestSupport
import Testing

@testable import MessageBus

@Suite("The writer of deliveries", .timeLimit(.minutes(20)))
struct DeliveryWriterTests {
  private let one = InstanceID("g1")!
  private let two = InstanceID("g2")!

  private func push(_ number: Int, bytes: Int = 0) -> MailboxPush {
    let envelope = Envelope.Draft.message(id: "m\(number)").array
    return MailboxPush(
      previous: offset(UInt64(number)), offset: offset(UInt64(number) + 1),
      payload: .made(envelope + [UInt8](repeating: UInt8(ascii: " "), count: bytes)))
  }

  /// The deliveries of a gateway's stream, entry by entry.
  private func delivered(_ bus: isolated Bus, to gateway: InstanceID) async throws -> [[String]] {
    try await bus.entries(bus.keys.outgoing(gateway)).map { entry in
      Delivery.list(try #require(entry.payload)).map { delivery in
        switch delivery {
        case .push(let previous, let offset, let envelope):
          "\(previous) \(offset) \(envelope.idText)"
        case .position(let user, let peer, let row, let previous, let floor):
          "\(user) \(peer) \(row.delivered) \(row.read) \(row.mine) \(row.stamp) \(previous) \(floor)"
        case .replaced(let user, let connection): "\(user) \(connection)"
        case .signal(let user, let from, let name, let at, let body):
          "\(user) \(from) \(name.text) \(at) \(body.withUnsafeBytes { String(decoding: $0, as: UTF8.self) })"
        case .closing(let user, let device, let isErased):
          "\(user) \(device?.text ?? "all") \(isErased)"
        }
      }
    }
  }

  private func open(_ gateway: InstanceID, _ bus: isolated Bus) async throws {
    _ = try await bus.command(
      "XGROUP", "CREATE", "\(bus.keys.outgoing(gateway))", "gateway", "0", "MKSTREAM")
  }

  private func text(_ number: Int) -> String { "\(number)-0 \(number + 1)-0 m\(number)" }

  @Test("puts what goes to one gateway into one entry, in order")
  func shares() async throws {
    try await Bus.run { bus in
      try await self.open(self.one, bus)
      try await self.open(self.two, bus)
      var writer = DeliveryWriter(keys: bus.keys)
      #expect(writer.isEmpty)
      for number in 0..<10 {
        writer.add(self.push(number), for: number % 3 == 0 ? self.two : self.one)
      }
      writer.addReplacement(
        of: Session(device: "d", gateway: self.two, connection: "c-9"), user: UserName("bob")!)
      writer.addClosing(of: UserName("bob")!, device: nil, isErased: true, for: self.two)
      writer.addClosing(
        of: UserName("bob")!, device: DeviceName("d")!, isErased: false, for: self.two)
      writer.addPosition(
        of: UserName("bob")!, peer: UserName("alice")!,
        row: Positions.Row(delivered: offset(1), read: offset(2), mine: offset(3), stamp: 5),
        previous: 4, floor: offset(6), for: self.two)
      var signal = ByteBuffer()
      Array("{}".utf8).withUnsafeBytes {
        Delivery.appendSignal(
          to: UserName("bob")!, from: UserName("alice")!, name: MessageID("typing")!, at: 7,
          body: $0, into: &signal)
      }
      writer.addSignal(signal.readableBytesView, for: self.two)
      #expect(!writer.isEmpty)
      var batch = RedisBatch()
      let targets = writer.write(to: &batch)
      #expect(targets.map(\.gateway) == [self.two, self.one])
      let replies = await bus.client.execute(batch)
      #expect(try DeliveryWriter.missing(among: targets, replies) == [])
      #expect(
        try await self.delivered(bus, to: self.one) == [[1, 2, 4, 5, 7, 8].map(self.text)])
      #expect(
        try await self.delivered(bus, to: self.two)
          == [
            [0, 3, 6, 9].map(self.text) + [
              "bob c-9", "bob all true", "bob d false", "bob alice 1-0 2-0 3-0 5 4 6-0",
              "bob alice typing 7 {}",
            ]
          ])
    }
  }

  @Test("begins a new entry at the limit of deliveries")
  func splitsByCount() async throws {
    try await Bus.run { bus in
      try await self.open(self.one, bus)
      let count = 2 * BusLimits.deliveriesPerEntry + 1
      var writer = DeliveryWriter(keys: bus.keys)
      for number in 0..<count { writer.add(self.push(number), for: self.one) }
      var batch = RedisBatch()
      #expect(writer.write(to: &batch).count == 3)
      try await bus.client.execute(batch).check()
      let delivered = try await self.delivered(bus, to: self.one)
      #expect(
        delivered.map(\.count) == [BusLimits.deliveriesPerEntry, BusLimits.deliveriesPerEntry, 1])
      #expect(delivered.flatMap { $0 } == (0..<count).map(self.text))
    }
  }

  @Test("lets the oldest go from a stream that nobody reads")
  func bounded() async throws {
    try await Bus.run { bus in
      try await self.open(self.one, bus)
      let rounds = BusLimits.outgoingEntries / 100 + 20
      for round in 0..<rounds {
        var batch = RedisBatch()
        for number in 0..<100 {
          var writer = DeliveryWriter(keys: bus.keys)
          writer.add(self.push(100 * round + number), for: self.one)
          _ = writer.write(to: &batch)
        }
        try await bus.client.execute(batch).check()
      }
      let length = try await bus.length(bus.keys.outgoing(self.one))
      #expect(length >= BusLimits.outgoingEntries)
      // Whole nodes are cut off, of up to 100 entries.
      #expect(length <= BusLimits.outgoingEntries + 100)
    }
  }

  @Test("begins a new entry at the limit of bytes, and carries what is larger alone")
  func splitsByBytes() async throws {
    try await Bus.run { bus in
      try await self.open(self.one, bus)
      let limit = BusLimits.bytesPerDeliveryEntry
      let sizes = [limit / 2, limit / 2 - 500, 0, limit, 2 * limit, 0, 0]
      var writer = DeliveryWriter(keys: bus.keys)
      for (number, size) in sizes.enumerated() {
        writer.add(self.push(number, bytes: size), for: self.one)
      }
      var batch = RedisBatch()
      let targets = writer.write(to: &batch)
      try await bus.client.execute(batch).check()
      let delivered = try await self.delivered(bus, to: self.one)
      #expect(delivered.count == targets.count)
      #expect(delivered.flatMap { $0 } == sizes.indices.map(self.text))
      for entry in try await bus.entries(bus.keys.outgoing(self.one)) {
        // Full is what has reached the limit: one delivery may stand beyond it.
        let bytes = try #require(entry.payload).count
        #expect(bytes < limit + 2 * limit + 100)
      }
      #expect(delivered.count >= 3)
    }
  }

  @Test("learns which gateways are gone, and makes no stream for them")
  func missing() async throws {
    try await Bus.run { bus in
      try await self.open(self.two, bus)
      var writer = DeliveryWriter(keys: bus.keys)
      for number in 0..<200 {
        writer.add(self.push(number), for: self.one)
        writer.add(self.push(number), for: self.two)
      }
      var batch = RedisBatch()
      batch.append("PING")
      let targets = writer.write(to: &batch)
      #expect(targets.map(\.gateway) == [self.one, self.one, self.two, self.two])
      let replies = await bus.client.execute(batch)
      #expect(try DeliveryWriter.missing(among: targets, replies) == [self.one])
      var exists = try await bus.command("EXISTS", "\(bus.keys.outgoing(self.one))")
      #expect(try exists.integer() == 0)
      #expect(try await self.delivered(bus, to: self.two).joined().count == 200)
    }
  }
}
