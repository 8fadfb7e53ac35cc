import ConnectProtocol
import ConnectTestStand
import MessageBus
import NIOCore
import Redis
import TestSupport
import Testing

@Suite("A signal")
struct SignalTests {
  /// Writes signals into a gateway's stream, as another gateway does.
  private func pass(
    _ names: [String], to user: String, at: UInt64, body: String = "", on stand: TestStand
  ) async throws {
    var deliveries = DeliveryWriter(keys: stand.keys)
    for name in names {
      var bytes = ByteBuffer()
      Array(body.utf8).withUnsafeBytes {
        Delivery.appendSignal(
          to: UserName(user)!, from: UserName("alice")!, name: MessageID(name)!, at: at, body: $0,
          into: &bytes)
      }
      deliveries.addSignal(bytes.readableBytesView, for: stand.gateways[0].id)
    }
    try await stand.redis.client.execute(stand.batch(of: deliveries)).check()
  }

  @Test("is passed on to all devices of the recipient, on all gateways, and stored nowhere")
  func passedOn() async throws {
    try await TestStand.with(TestStand.Options(gateways: 2)) { stand in
      let alice = try await stand.online("alice")
      let phone = try await stand.online("bob", device: "phone")
      let tablet = try await stand.online("bob", device: "tablet", gateway: 1)
      let added = try await stand.entriesAdded(for: "bob")
      let before = try await stand.now()
      let body = #"{"a" : [1, "\u00e4"] }"#
      alice.sendSignal("app.thing", to: "bob", also: #","id":"s1","body":\#(body)"#)
      alice.sendSignal(to: "bob")
      for device in [phone, tablet] {
        let first = try await device.expectSignal()
        #expect(first.from == "alice")
        #expect(first.name == "app.thing")
        #expect(first.body == body)
        // By the bus's clock, as far as the last heartbeat tells it, which a busy machine delays.
        #expect(first.at + 60_000 >= before)
        #expect(first.at <= (try await stand.now()) + 1_000)
        let second = try await device.expectSignal()
        #expect(second.name == "typing")
        #expect(second.body == nil)
        try await device.expectOpen()
      }
      // Nothing answers it.
      try await alice.expectOpen()
      #expect(try await stand.entriesAdded(for: "bob") == added)
      #expect(try await stand.mailbox("bob") == [])
    }
  }

  @Test("comes once, though Redis lost the gateway's group, and all of its stream is read again")
  func groupLost() async throws {
    try await TestStand.with { stand in
      let bob = try await stand.online("bob")
      let stream = stand.keys.outgoing(stand.gateways[0].id)
      func groups() async throws -> [String] {
        try await stand.redis.client.value { $0.groups(of: stream) }?.map(\.name) ?? []
      }
      var count = 0
      func passOne() async throws {
        count += 1
        try await self.pass(["s\(count)"], to: "bob", at: try await stand.now(), on: stand)
        #expect(try await bob.expectSignal().name == "s\(count)")
      }
      // What is handed over leaves the stream soon; then nothing would come again.
      try await eventually("a group is lost while a signal is in the stream") {
        try await passOne()
        let lost = try await groups()
        for group in lost { try await stand.redis("XGROUP", "DESTROY", "\(stream)", group) }
        let left = try await stand.redis.length(of: stream)
        try await eventually("there is another group") {
          let found = try await groups()
          return !found.isEmpty && Set(found).isDisjoint(with: lost)
        }
        try await passOne()
        return left > 0
      }
    }
  }

  @Test("to oneself comes to all devices, that of the sender too")
  func toOneself() async throws {
    let stand = try await TestStand.shared()
    let phone = try await stand.online("self.bob", device: "phone")
    let tablet = try await stand.online("self.bob", device: "tablet", gateway: 1)
    phone.sendSignal("seen", to: "self.bob", also: #","body":7"#)
    for device in [phone, tablet] {
      let signal = try await device.expectSignal()
      #expect(signal.from == "self.bob")
      #expect(signal.body == "7")
    }
  }

  @Test("for nobody who is connected is gone, and who connects later gets none")
  func offline() async throws {
    let stand = try await TestStand.shared()
    let alice = try await stand.online("off.alice")
    alice.sendSignal("early", to: "off.bob")
    try await alice.expectOpen()
    // Behind it, on the same way.
    alice.sendSignal("own", to: "off.alice")
    #expect(try await alice.expectSignal().name == "own")
    let bob = try await stand.online("off.bob")
    alice.sendSignal("late", to: "off.bob")
    #expect(try await bob.expectSignal().name == "late")
  }

  @Test("beyond the user's rate is refused by its id, or by an error that counts as no bad frame")
  func rate() async throws {
    var options = TestStand.Options()
    options.configure = { $0.signalsPerSecond = 1 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      let other = try await stand.online("alice", device: "other")
      for _ in 0..<2 { other.sendSignal(to: "bob") }
      try await other.expectOpen()
      for number in 0..<20 {
        alice.sendSignal(to: "bob", also: number % 2 == 0 ? #","id":"s\#(number)""# : "")
      }
      alice.sendText(#"{"type":"ping","id":"end"}"#)
      var refused = 0
      reading: while true {
        let frame = try await alice.expectFrame()
        switch frame.frame {
        case .rejected(let rejected):
          #expect(rejected.code == "rate_limited")
          #expect(rejected.retryAfterMilliseconds.map { (1...1_000).contains($0) } == true)
          #expect(rejected.message.contains("1 signals per second"))
          refused += 1
        case .error(let code, _):
          #expect(code == "rate_limited")
          refused += 1
        case .pong: break reading
        default: Issue.record("not expected: \(frame.text)")
        }
      }
      // Four at once, two of which the other device took.
      #expect((8...18).contains(refused))
      try await alice.expectOpen()
    }
  }

  @Test("is dropped when it comes more than 6 s late")
  func late() async throws {
    let stand = try await TestStand.shared()
    let bob = try await stand.online("late.bob")
    let now = try await stand.now()
    // On a busy machine a gateway heard of this clock seconds after it was told.
    try await self.pass(["old"], to: "late.bob", at: now - 60_000, on: stand)
    try await self.pass(["new"], to: "late.bob", at: now, on: stand)
    let signal = try await bob.expectSignal()
    #expect(signal.name == "new")
    #expect(signal.at == now)
    try await bob.expectOpen()
  }

  @Test("does not wait for a client that is slow to read")
  func slow() async throws {
    var options = TestStand.Options()
    // Who does not read answers no pings, for as long as a busy machine takes.
    options.configure = { $0.pingSeconds = 3_600 }
    try await TestStand.with(options) { stand in
      let (slow, _) = try await TestSocket.upgrade(
        port: stand.gateways[0].port, try await stand.request("bob", device: "slow"),
        receiveBufferBytes: 4_096)
      try await slow.expectWelcome()
      try await slow.expectLive()
      let fast = try await stand.online("bob", device: "fast")
      try await slow.setReading(false)
      let body = "\"\(String(repeating: "x", count: 2_000))\""
      let count = 1_000
      for part in 0..<40 {
        // Fewer bytes than may wait for one socket.
        let names = (0..<count / 40).map { "s\(part).\($0)" }
        try await self.pass(
          names, to: "bob", at: try await stand.now(), body: body, on: stand)
        for name in names { #expect(try await fast.expectSignal().name == name) }
      }
      try await slow.setReading(true)
      slow.sendText(#"{"type":"ping","id":"end"}"#)
      var came = 0
      while case .signal = try await slow.expectFrame().frame { came += 1 }
      #expect(came > 0)
      #expect(came < count / 2)
      try await slow.expectOpen()
    }
  }

  @Test("is dropped while Redis is away, and the connection stays")
  func outage() async throws {
    var options = TestStand.Options()
    options.redis = .plain
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      await stand.server.kill()
      for _ in 0..<5 { alice.sendSignal(to: "alice") }
      try await alice.expectOpen()
    }
  }
}

extension TestStand {
  /// The time of the bus, in milliseconds since 1970.
  func now() async throws -> UInt64 { try await self.redis.client.value { $0.time() } }

  func batch(of deliveries: DeliveryWriter) -> RedisBatch {
    var batch = RedisBatch()
    deliveries.write(to: &batch)
    return batch
  }
}
