import BusTestSupport
import ConnectProtocol
import ConnectTestStand
import MessageBus
import TestSupport
import Testing

@Suite("A connected device still gets its messages")
struct RecoveryTests {
  /// Shows that a push reaches the device: within less than a ping period, after which it would be
  /// found in the mailbox.
  private func expectPush(
    _ id: String, from alice: TestSocket, to bob: TestSocket
  ) async throws {
    alice.sendMessage(id, to: "bob")
    try await alice.expectAccepted(id)
    #expect(try await bob.expectMessage().id == id)
  }

  /// A ping period that no test lives to see.
  private func options(gateways: Int = 1) -> TestStand.Options {
    var options = TestStand.Options(gateways: gateways)
    options.configure = { $0.pingSeconds = 3_600 }
    return options
  }

  @Test("when the stream of its gateway is lost")
  func streamLost() async throws {
    try await TestStand.with(self.options(gateways: 2)) { stand in
      let alice = try await stand.online("alice", gateway: 1)
      let bob = try await stand.online("bob")
      try await self.expectPush("1", from: alice, to: bob)
      let stream = "\(stand.keys.outgoing(stand.gateways[0].id))"
      for round in 0..<5 {
        try await stand.redis("DEL", stream)
        // Messaging may meet the gap, and take the gateway for gone.
        try await self.expectPush("a\(round)", from: alice, to: bob)
        try await self.expectPush("b\(round)", from: alice, to: bob)
      }
      #expect(try await stand.session("bob")?.hasPrefix("g1/") == true)
    }
  }

  @Test("when everything in Redis is lost", arguments: 0..<3)
  func everythingLost(round: Int) async throws {
    try await TestStand.with(self.options()) { stand in
      // Several, so that both loops have some.
      let alice = try await stand.online("alice")
      var devices: [TestSocket] = []
      for device in 0..<4 { devices.append(try await stand.online("bob", device: "d\(device)")) }
      await stand.server.kill()
      try await stand.server.restart()
      try await stand.redis.client.waitUntilReady()
      try await eventually("the gateway has come back") { await stand.gateways[0].isReady() }
      alice.sendMessage("1", to: "bob")
      var answer = try await alice.expectFrame()
      while answer.type == "rejected" {
        alice.sendMessage("1", to: "bob", also: #","retry":true"#)
        answer = try await alice.expectFrame()
      }
      for device in devices { #expect(try await device.expectMessage().id == "1") }
      try await eventually("all sessions are registered again") {
        try await stand.redis("HLEN", "\(stand.keys.session(UserName("bob")!))") == .integer(4)
      }
      alice.sendMessage("2", to: "bob")
      try await alice.expectAccepted("2")
      for device in devices { #expect(try await device.expectMessage().id == "2") }
    }
  }

  @Test("when the last push was lost, and nothing else, by looking into the mailbox")
  func lostPush() async throws {
    var options = TestStand.Options()
    options.configure = { $0.pingSeconds = 3 }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      let session = try await stand.session("bob")
      for id in ["1", "2", "3"] {
        // Stored as messaging does, and told nobody.
        let offset = try await stand.store([.message(id: id)], for: "bob")[0]
        let message = try await bob.expectMessage()
        #expect(message.id == id)
        bob.ack(offset)
      }
      try await bob.expectOpen()
      #expect(try await stand.session("bob") == session)
    }
  }

  @Test("when the last push was lost with the entry in the registry that it needs")
  func lostPushAndEntry() async throws {
    var options = TestStand.Options()
    options.configure = { $0.pingSeconds = 3 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob")
      // No session, no push.
      try await stand.redis("DEL", "\(stand.keys.session(UserName("bob")!))")
      alice.sendMessage("1", to: "bob")
      #expect(try await bob.expectMessage().id == "1")
      try await bob.expectOpen()
    }
  }

  @Test("when its entry in the registry was lost, which comes back within a ping period")
  func lostEntry() async throws {
    var options = TestStand.Options()
    options.configure = { $0.pingSeconds = 3 }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      let entry = try await stand.session("bob")
      try await stand.redis("DEL", "\(stand.keys.session(UserName("bob")!))")
      try await eventually("bob's session is back") { try await stand.session("bob") == entry }
      try await bob.expectOpen()
    }
  }

  @Test("but not on a connection that the registry says was replaced by a newer one")
  func foreignEntry() async throws {
    var options = TestStand.Options()
    options.configure = { $0.pingSeconds = 3 }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      let key = "\(stand.keys.session(UserName("bob")!))"
      try await stand.redis("HSET", key, "default", "another-gateway/1")
      _ = try await bob.expectClose(4002)
      #expect(try await stand.session("bob") == "another-gateway/1", "the newer keeps its entry")
    }
  }

  @Test("when messaging was away in between")
  func messagingAway() async throws {
    try await TestStand.with(self.options(gateways: 2)) { stand in
      let alice = try await stand.online("alice", gateway: 1)
      let bob = try await stand.online("bob")
      try await self.expectPush("1", from: alice, to: bob)
      try await stand.messaging[0].stop()
      for number in 2..<50 {
        alice.sendMessage("\(number)", to: "bob")
        try await alice.expectAccepted("\(number)")
      }
      try await stand.startMessaging()
      for number in 2..<50 { #expect(try await bob.expectMessage().id == "\(number)") }
      try await bob.expectOpen()
    }
  }

  @Test("when its gateway stops, on the next one, with what came in between")
  func gatewayStopped() async throws {
    try await TestStand.with(self.options(gateways: 2)) { stand in
      let alice = try await stand.online("alice", gateway: 1)
      var bob = try await stand.online("bob")
      try await self.expectPush("1", from: alice, to: bob)
      try await stand.gateways[0].service.stop()
      alice.sendMessage("2", to: "bob")
      try await alice.expectAccepted("2")
      try await eventually("both are in the mailbox") {
        try await stand.mailbox("bob").count == 2
      }
      bob = try await stand.connect("bob", gateway: 1)
      try await bob.expectWelcome()
      // The first was never acked.
      #expect(try await bob.expectMessage().id == "1")
      #expect(try await bob.expectMessage().id == "2")
      try await bob.expectLive()
      try await self.expectPush("3", from: alice, to: bob)
    }
  }
}
