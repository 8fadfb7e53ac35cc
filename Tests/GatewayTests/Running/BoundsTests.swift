import ConnectProtocol
import ConnectTestStand
import Gateway
import LocalRedis
import MessageBus
import TestSupport
import Testing

@Suite("A gateway takes no more sends than can be kept")
struct BoundsTests {
  @Test("when a partition is full: they are overloaded, until messaging has caught up")
  func backlog() async throws {
    var options = TestStand.Options()
    options.hasMessaging = false
    options.partitions = 1
    options.configure = { $0.backlogEntries = 20 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      var number = 0
      var rejection: ServerFrame.Rejected?
      try await eventually("a send is rejected") {
        number += 1
        alice.sendMessage("\(number)", to: "bob")
        let frame = try await alice.expectFrame()
        if case .rejected(let rejected) = frame.frame, rejected.code != "rate_limited" {
          rejection = rejected
        }
        return rejection != nil
      }
      let rejected = try #require(rejection)
      #expect(rejected.code == "overloaded")
      #expect(rejected.retryable)
      let wait = try #require(rejected.retryAfterMilliseconds)
      #expect((1_000...2_000).contains(wait))
      #expect(try await stand.redis.length(of: stand.incoming("bob")) >= 20)

      try await stand.startMessaging()
      try await eventually("sends are accepted again") {
        alice.sendMessage("\(number)", to: "bob", also: #","retry":true"#)
        return try await alice.expectFrame().type == "accepted"
      }
    }
  }

  @Test(
    "when so many are under way that all could not be remembered: what is behind waits in the socket"
  )
  func heldSends() async throws {
    var options = TestStand.Options()
    options.partitions = 1
    options.configure = { $0.sendsPerSecond = 0 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      alice.sendMessage("first", to: "bob")
      try await alice.expectAccepted("first")
      stand.server.pause()
      let count = GatewayLimits.heldSends
      for number in 0..<2 * count { alice.sendMessage("\(number)", to: "bob") }
      // All that was read has failed with what was under way, and nothing that was not is taken.
      for number in 0..<count {
        #expect(try await alice.expectRejected("\(number)").code == "unavailable")
      }
      try await alice.expectClose(1013)
      stand.server.resume()
      try await eventually("all that Redis took is in the mailbox") {
        try await stand.redis.length(of: stand.incoming("bob")) == 0
      }
      let bob = try await stand.connect("bob")
      try await bob.expectWelcome()
      #expect(try await bob.expectMessage().id == "first")
      var taken = 0
      while case .message(let message) = try await bob.expectFrame().frame {
        #expect(message.id.text == "\(taken)")
        bob.ack(message.offset)
        taken += 1
      }
      #expect(taken < count, "most of them were never sent to Redis")
    }
  }

  @Test("when one fails, what waits behind it fails unsent, and comes again in its order")
  func order() async throws {
    var options = TestStand.Options()
    options.partitions = 1
    options.configure = { $0.sendsPerSecond = 0 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob")
      stand.server.pause()
      alice.sendMessage("0", to: "bob")
      try await Task.sleep(for: .milliseconds(50))
      for number in 1..<40 { alice.sendMessage("\(number)", to: "bob") }
      for number in 0..<40 {
        #expect(try await alice.expectRejected("\(number)").code == "unavailable")
      }
      stand.server.resume()
      // With each attempt the gateway keeps the places of the others for longer.
      try await eventually("0 is accepted") {
        alice.sendMessage("0", to: "bob", also: #","retry":true"#)
        return try await alice.expectFrame().type == "accepted"
      }
      // Redis would take it now.
      alice.sendMessage("new", to: "bob")
      #expect(try await alice.expectRejected("new").code == "unavailable")
      for id in (1..<40).map({ "\($0)" }) + ["new"] {
        try await eventually("\(id) is accepted") {
          alice.sendMessage(id, to: "bob", also: #","retry":true"#)
          return try await alice.expectFrame().type == "accepted"
        }
      }
      for id in (0..<40).map({ "\($0)" }) + ["new"] {
        let message = try await bob.expectMessage()
        #expect(message.id == id)
        bob.ack(message.offset)
      }
    }
  }

  @Test("and no more devices of a user: the longest away goes, or the new one if all are here")
  func devices() async throws {
    var options = TestStand.Options()
    options.configure = { $0.devicesPerUser = 2 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      let phone = try await stand.online("bob", device: "phone")
      let laptop = try await stand.online("bob", device: "laptop")
      let third = try await stand.connect("bob", device: "third")
      try await third.expectClose(4004)
      #expect(try await stand.session("bob", device: "third") == nil)

      laptop.sendClose(1000)
      try await laptop.expectClose(1000)
      try await eventually("its session is gone") {
        try await stand.session("bob", device: "laptop") == nil
      }
      alice.sendMessage("1", to: "bob")
      try await alice.expectAccepted("1")
      _ = try await phone.expectMessage()
      let fourth = try await stand.connect("bob", device: "fourth")
      #expect(try await !fourth.expectWelcome().gap)
      #expect(try await fourth.expectMessage().id == "1")
      try await fourth.expectLive()

      // Many names cost two places.
      fourth.sendClose(1000)
      try await fourth.expectClose(1000)
      for number in 0..<20 {
        try await eventually("its session is gone") {
          try await stand.redis("HLEN", "\(stand.keys.session(UserName("bob")!))").integer == 1
        }
        let next = try await stand.connect("bob", device: "n\(number)")
        try await next.expectWelcome()
        _ = try await next.expectMessage()
        try await next.expectLive()
        next.sendClose(1000)
        try await next.expectClose(1000)
      }
      let fields = try await stand.redis("HKEYS", "\(stand.keys.cursor(UserName("bob")!))")
      #expect(Set(fields.array.compactMap(\.string)) == ["phone", "n19", "!displaced"])
      try await eventually("its session is gone") {
        try await stand.session("bob", device: "n19") == nil
      }
      let again = try await stand.connect("bob", device: "laptop")
      #expect(try await again.expectWelcome().gap)
    }
  }

  @Test("and no more devices of a user, though they leave before their registration is answered")
  func devicesThatLeave() async throws {
    var options = TestStand.Options()
    options.clients = { PatientClients($0) }
    options.configure = { $0.devicesPerUser = 2 }
    try await TestStand.with(options) { stand in
      _ = try await stand.online("bob", device: "phone")
      for round in 0..<3 {
        stand.server.pause()
        for number in 0..<10 {
          let socket = try await stand.connect("bob", device: "n\(round).\(number)")
          socket.close()
          try await socket.expectNothingMore()
        }
        stand.server.resume()
        let cursor = "\(stand.keys.cursor(UserName("bob")!))"
        try await eventually("all but two are forgotten") {
          let fields = try await stand.redis("HKEYS", cursor).array.compactMap(\.string)
          return fields.contains("!displaced") && fields.count { !$0.hasPrefix("!") } <= 2
        }
      }
    }
  }

  @Test("when too few replicas have them: they are unavailable, until the replicas are back")
  func durability() async throws {
    var options = TestStand.Options()
    // Whose replica is started and paused here.
    options.redis = .plain
    options.configure = { $0.durability = .replicated(1) }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      alice.sendMessage("1", to: "bob")
      #expect(try await alice.expectRejected("1").code == "unavailable")

      var replicaOptions = LocalRedisServer.Options()
      replicaOptions.extraArguments = [
        "--replicaof", "127.0.0.1", "\(stand.server.nodes[0].port)", "--repl-diskless-sync-delay",
        "0",
      ]
      let replica = try await LocalRedisServer.start(replicaOptions)
      try await self.expectAccepted("1", from: alice)
      try await self.expectAccepted("2", from: alice)

      replica.pause()
      alice.sendMessage("3", to: "bob")
      let rejected = try await alice.expectRejected("3")
      #expect(rejected.code == "unavailable")
      #expect(rejected.retryable)
      replica.resume()
      try await self.expectAccepted("3", from: alice)

      // Its copy, which comes before or behind, says that it need not be sent again.
      replica.pause()
      alice.sendMessage("4", to: "bob", also: #","copy":true"#)
      let frames = [try await alice.expectFrame().type, try await alice.expectFrame().type]
      #expect(frames.sorted() == ["rejected", "sent"])
      replica.resume()
      try await self.expectAccepted("5", from: alice)

      // What was stored and rejected is stored once, and in order.
      try await eventually("all are in the mailbox") {
        try await stand.mailbox("bob").count == 5
      }
      let bob = try await stand.connect("bob")
      try await bob.expectWelcome()
      for id in ["1", "2", "3", "4", "5"] { #expect(try await bob.expectMessage().id == id) }
      try await bob.expectLive()
      await replica.stop()
    }
  }

  private func expectAccepted(_ id: String, from alice: TestSocket) async throws {
    try await eventually("\(id) is accepted") {
      alice.sendMessage(id, to: "bob", also: #","retry":true"#)
      return try await alice.expectFrame().type == "accepted"
    }
  }
}

@Suite("A gateway keeps the registry")
struct RegistryTests {
  @Test("by cleaning up after gateways that died, and sparing those that live")
  func sweep() async throws {
    try await TestStand.with(TestStand.Options()) { stand in
      let gateways = "\(stand.keys.gateways)"
      let gone = try #require(InstanceID("gone"))
      let orphaned = try #require(InstanceID("orphaned"))
      let dying = try #require(InstanceID("dying"))
      let orphan = "\(stand.keys.outgoing(orphaned))"
      try await stand.redis("XGROUP", "CREATE", orphan, "gateway", "0", "MKSTREAM")
      try await stand.redis("XADD", "\(stand.keys.outgoing(dying))", "*", "m", "x")
      try await stand.redis("EXPIRE", "\(stand.keys.outgoing(dying))", "1000")
      // Last: the first gateway may be sweeping, and would forget those without a stream.
      try await stand.redis("SADD", gateways, gone.text, orphaned.text, dying.text, "no id!")
      try await stand.startGateway()
      try await eventually("the orphan has an end") {
        try await stand.redis("TTL", orphan).integer ?? -1 > 0
      }
      try await eventually("the dead are forgotten, and nobody else") {
        Set(try await stand.redis("SMEMBERS", gateways).array.compactMap(\.string))
          == ["g1", "g2", orphaned.text, dying.text]
      }
      let left = try await stand.redis("TTL", "\(stand.keys.outgoing(dying))").integer ?? 0
      #expect(left > 500, "what ends by itself is left alone")
      for gateway in stand.gateways {
        let hash = "\(stand.keys.gateway(gateway.id))"
        let fields = try await stand.redis("HKEYS", hash).array.compactMap(\.string)
        #expect(Set(fields) == ["address", "connections", "started", "version"])
        #expect(
          try await stand.redis("HGET", hash, "address") == .string("127.0.0.1:\(gateway.port)"))
      }
      try await stand.gateways[1].service.stop()
      #expect(try await stand.redis("SISMEMBER", gateways, "g2") == .integer(0))
    }
  }

  @Test("by making a device known when it connects, and saying when it was seen")
  func seen() async throws {
    try await TestStand.with(TestStand.Options()) { stand in
      let name = try #require(UserName("bob"))
      let key = "\(stand.keys.cursor(name))"
      let now = Int(TestTokens.now)
      try await stand.redis("HSET", key, "old", "5-0 1000", "recent", "6-0 \(now)", "plain", "7-0")
      var sockets: [TestSocket] = []
      for device in ["new", "old", "recent", "plain"] {
        sockets.append(try await stand.online("bob", device: device))
      }
      for (device, offset) in [("new", "0-0"), ("old", "5-0"), ("plain", "7-0")] {
        try await eventually("\(device) is known") {
          let value = try await stand.redis("HGET", key, device).string ?? ""
          let parts = value.split(separator: " ")
          return parts.count == 2 && parts[0] == offset && Int(parts[1]) ?? 0 >= now
        }
      }
      #expect(try await stand.redis("HGET", key, "recent") == .string("6-0 \(now)"))
    }
  }
}
