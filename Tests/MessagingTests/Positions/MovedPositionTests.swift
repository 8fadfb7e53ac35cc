import BusTestSupport
import ConnectProtocol
import ConnectTestStand
import LocalRedis
import Redis
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging

@Suite("A position on the bus", .timeLimit(.minutes(20)))
struct MovedPositionTests {
  private let alice = UserName("alice")!

  /// Both below 128, so that the entry is text.
  private func publish(
    delivered: UInt8 = 0, read: UInt8 = 0, from peer: String = "bob", on stand: TestStand
  ) async throws {
    func packed(_ number: UInt8) -> [UInt8] {
      [0, 0, 0, 0, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0, 0]
    }
    let body = String(decoding: packed(delivered) + packed(read), as: UTF8.self)
    try await stand.redis(
      "XADD", "\(stand.incoming("alice"))", "*", "m",
      ByHand.envelope("", from: peer, to: "alice", body: body, kind: 4))
  }

  private func table(_ stand: TestStand) async throws -> [String: Positions.Row] {
    let key = stand.keys.positions(self.alice)
    let table = try await stand.redis.client.value { Positions.table(of: key, to: &$0) }
    return Dictionary(uniqueKeysWithValues: table.rows.map { ($0.peer.text, $0.row) })
  }

  private func open(_ gateway: String, devices: String..., on stand: TestStand) async throws {
    let outgoing = "\(stand.keys.outgoing(InstanceID(gateway)!))"
    try await stand.redis("XADD", outgoing, "*", "m", "x")
    for device in devices {
      try await stand.redis(
        "HSET", "\(stand.keys.session(self.alice))", device, "\(gateway)/\(device)")
    }
  }

  /// What a gateway is told: the row, the stamp before it, of whom.
  private func pushed(
    to gateway: String, on stand: TestStand
  ) async throws -> [(row: Positions.Row, previous: UInt64, names: String)] {
    let outgoing = stand.keys.outgoing(InstanceID(gateway)!)
    let entries = try await stand.redis.client.value {
      $0.entries(of: outgoing, after: .zero, maximum: 1_000)
    }
    return entries.flatMap { $0.payload.map(Delivery.list) ?? [] }.compactMap { delivery in
      guard case .position(let user, let peer, let row, let previous, _) = delivery else {
        return nil
      }
      return (row, previous, "\(user) \(peer)")
    }
  }

  @Test("moves a row, and is pushed once to each gateway of the user's devices, only if it moved")
  func pushes() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      try await self.open("x1", devices: "phone", "tablet", on: stand)
      try await self.open("x2", devices: "tv", on: stand)
      for (delivered, read) in [(5, 0), (5, 0), (4, 0), (7, 6)] as [(UInt8, UInt8)] {
        try await self.publish(delivered: delivered, read: read, on: stand)
        try await stand.waitUntilProcessed("alice")
      }
      let row = try #require(try await self.table(stand)["bob"])
      #expect(row.delivered == offset(7))
      #expect(row.read == offset(6))
      #expect(row.mine == .zero)
      for gateway in ["x1", "x2"] {
        let pushed = try await self.pushed(to: gateway, on: stand)
        #expect(pushed.map(\.names) == ["alice bob", "alice bob"])
        #expect(pushed.map(\.row.delivered) == [offset(5), offset(7)])
        #expect(pushed.last?.row == row)
        #expect(pushed.last?.previous == pushed.first?.row.stamp)
      }
      // Nobody has to see it.
      #expect(try await stand.messages(of: "alice").isEmpty)
    }
  }

  @Test("is pushed once replicas have its row, although that moved in an earlier attempt")
  func unconfirmed() async throws {
    let log = EventLog()
    var options = TestStand.Options(gateways: 0)
    // Its replica is started here.
    options.redis = .plain
    options.logger = log.logger
    options.configureMessaging = { $0.durability = .replicated(1) }
    try await TestStand.with(options) { stand in
      try await self.open("x1", devices: "phone", on: stand)
      try await self.publish(delivered: 5, on: stand)
      try await eventually("it was tried in vain") { log.count("consumer.handle_failed") > 0 }
      let row = try #require(try await self.table(stand)["bob"])
      #expect(row.delivered == offset(5))
      #expect(try await self.pushed(to: "x1", on: stand).isEmpty)
      var replicaOptions = LocalRedisServer.Options()
      replicaOptions.extraArguments = [
        "--replicaof", "127.0.0.1", "\(stand.server.nodes[0].port)", "--repl-diskless-sync-delay",
        "0",
      ]
      let replica = try await LocalRedisServer.start(replicaOptions)
      try await stand.waitUntilProcessed("alice")
      #expect(try await self.pushed(to: "x1", on: stand).map(\.row) == [row])
      await replica.stop()
    }
  }

  @Test("that is one of several for a row moves it once, to the highest")
  func several() async throws {
    try await TestStand.withoutMessaging { stand in
      try await self.open("x1", devices: "phone", on: stand)
      for number in [5, 3, 7, 6] as [UInt8] { try await self.publish(delivered: number, on: stand) }
      try await self.publish(delivered: 2, from: "carol", on: stand)
      try await stand.startMessaging()
      try await stand.waitUntilProcessed("alice")
      #expect(
        try await self.table(stand).mapValues(\.delivered)
          == ["bob": offset(7), "carol": offset(2)])
      let pushed = try await self.pushed(to: "x1", on: stand)
      #expect(pushed.map(\.names) == ["alice bob", "alice carol"])
    }
  }

  @Test("moves its row even while what is to be copied cannot be")
  func beforeCopies() async throws {
    try await TestStand.withoutMessaging { stand in
      let sender = try #require(
        (0..<100).map { "user\($0)" }.first {
          (try? stand.incoming($0)) != (try? stand.incoming("alice"))
        })
      let incoming = "\(try stand.incoming(sender))"
      try await stand.redis("SET", incoming, "no stream")
      try await stand.publish("m", from: sender, to: "alice", flags: Envelope.Flags.copy.rawValue)
      try await self.publish(delivered: 5, on: stand)
      try await stand.startMessaging()
      try await eventually("the row has moved") {
        try await self.table(stand)["bob"]?.delivered == offset(5)
      }
      #expect(try await stand.messages(of: sender).isEmpty)
      try await stand.redis("DEL", incoming)
      try await stand.waitUntilProcessed("alice")
      try await stand.waitUntilProcessed(sender)
      #expect(try await stand.messages(of: sender).map(\.id) == ["m"])
    }
  }

  @Test("that says only what a stranger has read makes no row")
  func stranger() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      try await self.publish(read: 9, on: stand)
      try await stand.waitUntilProcessed("alice")
      #expect(try await self.table(stand).isEmpty)
    }
  }

  @Test("is passed over, and no dead letter, if it is a receipt of an earlier release")
  func formerReceipt() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      for number in 0..<3 {
        try await stand.redis(
          "XADD", "\(stand.incoming("alice"))", "*", "m",
          ByHand.envelope(
            "phone", from: "bob", to: "alice", body: #"["m\#(number)"]"#, kind: 2))
      }
      try await stand.publish("after", to: "alice")
      try await stand.waitUntilProcessed("alice")
      #expect(try await stand.messages(of: "alice").map(\.id) == ["after"])
      #expect(try await stand.redis.entries(of: stand.keys.deadLetters).isEmpty)
      #expect(try await self.table(stand).isEmpty)
    }
  }

  @Test("whose row cannot be written, for the key is something else, stops nobody else's")
  func wrongType() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      try await stand.redis("SET", "\(stand.keys.positions(self.alice))", "x")
      try await self.publish(delivered: 5, on: stand)
      try await stand.publish("after", to: "alice")
      try await stand.waitUntilProcessed("alice")
      #expect(try await stand.messages(of: "alice").map(\.id) == ["after"])
      #expect(try await stand.redis("GET", "\(stand.keys.positions(self.alice))").string == "x")
      try await stand.redis("DEL", "\(stand.keys.positions(self.alice))")
      try await self.publish(delivered: 6, on: stand)
      try await stand.waitUntilProcessed("alice")
      #expect(try await self.table(stand)["bob"]?.delivered == offset(6))
    }
  }
}
