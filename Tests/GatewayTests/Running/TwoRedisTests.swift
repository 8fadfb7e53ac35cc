import ConnectProtocol
import ConnectTestStand
import LocalCluster
import LocalRedis
import MessageBus
import TestSupport
import Testing

@Suite("With the users' keys in a Redis of their own")
struct TwoRedisTests {
  private static let prefixesOfUsers = [
    "connect:session:", "connect:mailbox:", "connect:cursor:", "connect:positions:",
  ]

  /// Two of these kinds.
  private func options(
    _ bus: LocalRedisInstallation.Kind = .plain, _ registry: LocalRedisInstallation.Kind = .plain
  ) -> TestStand.Options {
    var options = TestStand.Options(gateways: 2)
    options.redis = bus
    options.registry = registry
    return options
  }

  private func keys(of redis: LocalRedisInstallation?) async throws -> [String] {
    var keys: [String] = []
    for primary in try await redis?.primaries() ?? [] {
      keys += try await primary.command("KEYS", "*").array?.compactMap(\.string) ?? []
    }
    return keys
  }

  /// Sends until it is accepted, as a client does.
  private func send(_ id: String, from alice: TestSocket, to user: String = "bob") async throws {
    alice.sendMessage(id, to: user)
    var answer = try await alice.expectFrame()
    while answer.type != "accepted" {
      if answer.type == "rejected" {
        try await Task.sleep(for: .milliseconds(20))
        alice.sendMessage(id, to: user, also: #","retry":true"#)
      }
      answer = try await alice.expectFrame()
    }
  }

  @Test(
    "a message goes all the way, on servers and clusters in any combination",
    arguments: [
      (LocalRedisInstallation.Kind.plain, LocalRedisInstallation.Kind.plain),
      (.plain, .cluster), (.cluster, .tls),
    ])
  func allTheWay(
    bus: LocalRedisInstallation.Kind, registry: LocalRedisInstallation.Kind
  ) async throws {
    try await TestStand.with(self.options(bus, registry)) { stand in
      let alice = try await stand.online("alice", device: "a")
      let bob = try await stand.online("bob", device: "b", gateway: 1)
      for number in 0..<5 {
        try await self.send("m\(number)", from: alice)
        let message = try await bob.expectMessage()
        #expect(message.id == "m\(number)")
        bob.ack(message.offset)
      }
      // Offline: found in the mailbox on return.
      try await self.send("offline", from: alice, to: "carol")
      try await eventually("it is in the mailbox") {
        try await stand.mailbox("carol").count == 1
      }
      let carol = try await stand.connect("carol", gateway: 1)
      try await carol.expectWelcome()
      #expect(try await carol.expectMessage().id == "offline")
      try await eventually("the cursor is stored") {
        try await stand.cursor("bob", device: "b") > .zero
      }

      let (onBus, onRegistry) = (
        try await self.keys(of: stand.server), try await self.keys(of: stand.registry)
      )
      func isOfUser(_ key: String) -> Bool {
        Self.prefixesOfUsers.contains { key.hasPrefix($0) }
      }
      #expect(onRegistry.allSatisfy(isOfUser), "\(onRegistry)")
      #expect(!onBus.contains(where: isOfUser), "\(onBus)")
      for key in ["session:{alice}", "session:{bob}", "mailbox:{bob}", "cursor:{bob}"] {
        #expect(onRegistry.contains("connect:\(key)"))
      }
      // Some expire, where a busy machine keeps a heartbeat back, until it comes.
      for prefix in ["incoming:", "outgoing:", "lease:", "gateway:", "gateways", "messaging"] {
        try await eventually("the bus has \(prefix)") {
          try await self.keys(of: stand.server).contains { $0.hasPrefix("connect:\(prefix)") }
        }
      }
    }
  }

  @Test("who waits for entries has no connection to it")
  func connections() async throws {
    try await TestStand.with(self.options()) { stand in
      // Each service has one per event loop, of which there are two; and the test has one.
      let services = stand.gateways.count + stand.messaging.count
      let registry = try #require(stand.registry?.nodes.first)
      func connections(_ node: LocalRedisServer) async throws -> [Substring] {
        let list = try await node.command("CLIENT", "LIST", "TYPE", "normal").string ?? ""
        return list.split(whereSeparator: \.isNewline).filter { !$0.contains("cmd=client") }
      }
      try await eventually("the connections to the registry are those, and no more") {
        try await connections(registry).count == 2 * services + 1
      }
      let toRegistry = try await connections(registry)
      #expect(!toRegistry.contains { $0.contains("cmd=xread") }, "\(toRegistry)")
      let bus = try #require(stand.server.nodes.first)
      #expect(try await connections(bus).contains { $0.contains("cmd=xreadgroup") })
    }
  }

  @Test("a session stays as long as positions under way may let the cursor move")
  func positionsUnderWay() async throws {
    var options = self.options()
    options.clients = { PatientClients($0) }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob")
      alice.sendMessage("m1", to: "bob", also: #","receipt":true"#)
      try await alice.expectAccepted("m1")
      let offset = try await bob.expectMessage().offset
      try await eventually("it is stored that bob was seen") {
        try await stand.redis("HEXISTS", "connect:cursor:{bob}", "default").integer == 1
      }

      stand.server.pause()
      bob.ack(offset)
      bob.sendClose(1000)
      try await bob.expectClose(1000)
      try await bob.expectNothingMore()
      // Far longer than the removal takes, and far shorter than the bus is waited for.
      try await Task.sleep(for: .milliseconds(500))
      #expect(try await stand.session("bob") != nil)
      #expect(try await stand.cursor("bob") < offset)
      let positions = "\(stand.keys.positions(UserName("bob")!))"
      let noted = try await stand.redis("HGET", positions, "!delivered").string
      #expect(noted.flatMap { Offset($0) } ?? .zero < offset)
      stand.server.resume()
      try await eventually("its session is gone") { try await stand.session("bob") == nil }
      #expect(try await stand.cursor("bob") == offset)
      #expect(try await stand.redis("HGET", positions, "!delivered").string == "\(offset)")
      #expect(try await alice.expectPosition().delivered == offset)
    }
  }

  @Test("a gateway that stops stores what positions under way have let move")
  func positionsAtStop() async throws {
    var options = TestStand.clusterOptions(gateways: 2)
    options.clients = { PatientClients($0) }
    try await TestStand.with(options) { stand in
      let gateway = stand.gateways[0]
      let keys = stand.keys
      // Bob's positions go to another node than all that the gateway itself says when it stops.
      let (name, node) = try await stand.user(apartFrom: [
        keys.gateway(gateway.id), keys.outgoing(gateway.id), keys.gateways,
      ])
      let alice = try await stand.online(name, gateway: 1)
      let bob = try await stand.online("bob", gateway: 0)
      alice.sendMessage("m1", to: "bob", also: #","receipt":true"#)
      try await alice.expectAccepted("m1")
      let offset = try await bob.expectMessage().offset
      node.pause()
      bob.ack(offset)
      bob.sendText(#"{"type":"ping"}"#)
      _ = try await bob.expectFrame(type: "pong")
      await gateway.service.beginStop()
      _ = try await bob.expectFrame(type: "goodbye")
      try await bob.expectClose(1012)
      // Far longer than the rest of the stop takes, and far shorter than positions are waited for.
      try await Task.sleep(for: .milliseconds(500))
      node.resume()
      try await gateway.service.stop()
      // Not "eventually": a gateway that has stopped has done it.
      #expect(try await stand.cursor("bob") == offset)
      #expect(try await stand.session("bob") == nil)
      #expect(try await alice.expectPosition().delivered == offset)
    }
  }

  @Test("a registry that is away is waited for: what is accepted meanwhile comes in order")
  func registryAway() async throws {
    var options = self.options()
    options.persistence = .appendOnly(fsync: .always)
    try await TestStand.with(options) { stand in
      let registry = try #require(stand.registry)
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob", gateway: 1)
      try await self.send("before", from: alice)
      #expect(try await bob.expectMessage().id == "before")

      await registry.kill()
      try await eventually("no gateway is ready") {
        for gateway in stand.gateways where await gateway.isReady() { return false }
        return true
      }
      #expect(try await stand.refusal(of: stand.request("carol")).status == 503)
      for number in 0..<20 {
        alice.sendMessage("m\(number)", to: "bob")
        try await alice.expectAccepted("m\(number)")
      }
      try await registry.restart()
      try await stand.redis.client.waitUntilReady()
      for number in 0..<20 { #expect(try await bob.expectMessage().id == "m\(number)") }
      try await self.send("after", from: alice)
      #expect(try await bob.expectMessage().id == "after")
      try await bob.expectOpen()
      #expect(try await stand.mailbox("bob").count == 22)
      try await eventually("all gateways are ready") {
        for gateway in stand.gateways where await !gateway.isReady() { return false }
        return true
      }
    }
  }

  @Test("a bus that is away refuses sends, and mailboxes are read all the same")
  func busAway() async throws {
    var options = self.options()
    options.persistence = .appendOnly(fsync: .always)
    options.configure = { $0.pingSeconds = 3 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob", gateway: 1)
      try await self.send("before", from: alice)
      let before = try await bob.expectMessage()
      await stand.server.kill()
      try await eventually("a send is refused") {
        alice.sendMessage("x", to: "bob")
        return try await alice.expectFrame().type == "rejected"
      }
      // As messaging would have stored it just before.
      let added = try await stand.redis(
        "XADD", "\(stand.keys.mailbox(UserName("bob")!))", "\(before.offset.successor)", "m",
        "\u{1}\u{1}\u{0}\u{5}\u{3}\u{2}alicebobm21")
      #expect(added.string != nil)
      #expect(try await bob.expectMessage().id == "m2")
      try await stand.server.restart()
      for id in ["x", "after"] {
        try await self.send(id, from: alice)
        #expect(try await bob.expectMessage().id == id)
      }
    }
  }

  @Test("a registry that has forgotten everything: devices are known again, messages go on")
  func registryLost() async throws {
    var options = self.options()
    options.configure = { $0.pingSeconds = 3 }
    try await TestStand.with(options) { stand in
      let registry = try #require(stand.registry)
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob", gateway: 1)
      for round in 0..<3 {
        try await self.send("a\(round)", from: alice)
        #expect(try await bob.expectMessage().id == "a\(round)")
        for node in registry.nodes { try await node.command("FLUSHALL") }
        try await self.send("b\(round)", from: alice)
        #expect(try await bob.expectMessage().id == "b\(round)")
        try await eventually("bob is registered again") {
          try await stand.session("bob")?.hasPrefix("g2/") == true
        }
      }
    }
  }

  @Test("a bus that has forgotten everything finds the mailboxes as they were")
  func busLost() async throws {
    try await TestStand.with(self.options()) { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob", gateway: 1)
      for round in 0..<3 {
        try await self.send("a\(round)", from: alice)
        #expect(try await bob.expectMessage().id == "a\(round)")
        for node in stand.server.nodes { try await node.command("FLUSHALL") }
        try await self.send("b\(round)", from: alice)
        #expect(try await bob.expectMessage().id == "b\(round)")
      }
      #expect(try await stand.mailbox("bob").count == 6)
      try await eventually("the layout is written again") {
        try await stand.redis("GET", "connect:partitions").string == "2 registry"
      }
    }
  }

  @Test("a gateway that stops leaves nothing in either")
  func stopped() async throws {
    try await TestStand.with(self.options()) { stand in
      let bob = try await stand.online("bob", gateway: 1)
      let alice = try await stand.online("alice")
      try await self.send("m", from: alice)
      bob.ack(try await bob.expectMessage().offset)
      // Behind the ack: once it is answered, the ack was read.
      try await bob.expectOpen()
      try await stand.gateways[1].service.stop()
      #expect(try await stand.session("bob") == nil)
      #expect(try await stand.cursor("bob") > .zero)
      #expect(try await !self.keys(of: stand.server).contains { $0.contains("{g2}") })
    }
  }
}

@Suite("With two clusters, and messages that replicas of both must have,")
struct TwoReplicatedRedisTests {
  private func options() -> TestStand.Options {
    var options = TestStand.Options(gateways: 1)
    options.redis = .clusterTLS
    options.registry = .clusterTLS
    options.configure = { $0.durability = .replicated(1) }
    options.configureMessaging = { $0.durability = .replicated(1) }
    return options
  }

  /// Sends until replicas have confirmed it in time.
  private func send(_ id: String, from alice: TestSocket) async throws {
    try await eventually("\(id) is accepted") {
      alice.sendMessage(id, to: "bob", also: #","retry":true"#)
      return try await alice.expectFrame().type == "accepted"
    }
  }

  @Test("a message is accepted by the bus, and done with once replicas of the registry have it")
  func replicated() async throws {
    try await TestStand.with(self.options()) { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob")
      try await self.send("1", from: alice)
      #expect(try await bob.expectMessage().id == "1")

      let cluster = try #require(stand.registry?.cluster)
      let primaries = try await cluster.primaries()
      let replicas = cluster.nodes.filter { node in !primaries.contains { $0 === node } }
      for replica in replicas { replica.pause() }
      // The bus's replicas have it.
      try await self.send("2", from: alice)
      try await eventually("it was tried, and is not finished") {
        try await stand.mailbox("bob").count == 2
      }
      #expect(try await stand.redis.length(of: stand.incoming("bob")) > 0)
      for replica in replicas { replica.resume() }
      #expect(try await bob.expectMessage().id == "2")
      try await eventually("it is finished") {
        try await stand.redis.length(of: stand.incoming("bob")) == 0
      }
      #expect(try await stand.mailbox("bob").count == 2)
    }
  }
}
