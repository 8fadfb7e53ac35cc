import BackendAPI
import ConnectProtocol
import ConnectTestStand
import Gateway
import MessageBus
import NIOCore
import Redis
import TestSupport
import Testing

private let online = ServerFrame.Presence.Status(online: true)
private let offline = ServerFrame.Presence.Status(online: false)

/// Each test has names or a stand of its own. Watched users are looked at every second.
@Suite("Presence")
struct PresenceTests {
  private func with(
    gateways: Int = 2,
    _ configure: @escaping @Sendable (inout GatewayConfiguration) -> Void = { _ in },
    _ body: (TestStand) async throws -> Void
  ) async throws {
    var options = TestStand.Options(gateways: gateways)
    options.configure = { configuration in
      configuration.presenceSeconds = 1
      configuration.requestsPerSecond = 0
      configure(&configuration)
    }
    try await TestStand.with(options, body)
  }

  /// A session as a gateway writes it.
  private func enter(
    _ user: String, at gateway: String, seconds: Int, on stand: TestStand
  ) async throws {
    let id = try #require(InstanceID(gateway))
    try await stand.redis("XADD", "\(stand.keys.outgoing(id))", "*", "x", "y")
    try await stand.redis("EXPIRE", "\(stand.keys.outgoing(id))", "\(seconds)")
    try await stand.redis(
      "HSET", "\(stand.keys.session(UserName(user)!))", "phone", "\(gateway)/c.1")
  }

  /// Waits until the registry says that the user is not connected.
  private func gone(_ user: String, on stand: TestStand) async throws {
    try await eventually("\(user) is gone") { try await stand.session(user) == nil }
  }

  @Test("says who is online on any gateway, and when the others were seen, to the second")
  func once() async throws {
    try await self.with { stand in
      let alice = try await stand.online("alice")
      let near = try await stand.online("near")
      let far = try await stand.online("far", gateway: 1)
      let left = try await stand.online("left", gateway: 1)
      // What is stored now is old when it ends.
      let before = try await stand.now()
      left.close()
      try await self.gone("left", on: stand)
      let after = try await stand.now()
      alice.sendPresence(["alice", "near", "far", "left", "nobody", "near"], id: "p1")
      let found = try await alice.expectPresence(id: "p1")
      #expect(found.count == 5)
      for user in ["alice", "near", "far"] { #expect(found[user] == online) }
      #expect(found["nobody"] == offline)
      let seen = try #require(found["left"])
      #expect(!seen.online)
      let lastSeen = try #require(seen.lastSeen)
      #expect((before - 2_000...after + 2_000).contains(lastSeen))
      // It was asked once, so nobody is told of what changes.
      near.close()
      try await self.gone("near", on: stand)
      alice.sendPresence([], id: "none")
      #expect(try await alice.expectPresence(id: "none") == [:])
      alice.sendPresence(["near"])
      #expect(try await alice.expectPresence()["near"]?.online == false)
      try await far.expectOpen()
      try await alice.expectOpen()
    }
  }

  @Test("has an exact time of the last device that ended, though its cursor was stored lately")
  func lastSeen() async throws {
    try await self.with { stand in
      let alice = try await stand.online("alice")
      let long = try await stand.now() / 1_000 - 3_000
      for device in ["phone", "tablet"] {
        let key = "\(stand.keys.cursor(UserName("bob")!))"
        try await stand.redis("HSET", key, device, "0-0 \(long)")
      }
      alice.sendPresence(["bob"], id: "p1")
      let old = try await alice.expectPresence(id: "p1")["bob"]?.lastSeen
      #expect(old == long * 1_000)
      let phone = try await stand.online("bob", device: "phone", gateway: 1)
      phone.close()
      try await eventually("the phone is gone") {
        try await stand.session("bob", device: "phone") == nil
      }
      alice.sendPresence(["bob"], id: "p2")
      let new = try await alice.expectPresence(id: "p2")["bob"]?.lastSeen
      #expect(try #require(new) > (try await stand.now()) - 60_000)
      // Not what is beside the cursors of devices.
      let key = "\(stand.keys.cursor(UserName("carol")!))"
      try await stand.redis("HSET", key, "!removed", "9-9", "!displaced", "1", "old", "5-5")
      alice.sendPresence(["carol"], id: "p3")
      #expect(try await alice.expectPresence(id: "p3") == ["carol": offline])
    }
  }

  @Test("that is watched is told when a user comes and goes, here or elsewhere, once each")
  func watched() async throws {
    try await self.with { stand in
      let alice = try await stand.online("alice")
      let tablet = try await stand.online("alice", device: "tablet", gateway: 1)
      for watcher in [alice, tablet] {
        watcher.sendPresence(["bob", "carol"], id: "p1", watch: true)
        #expect(
          try await watcher.expectPresence(id: "p1") == ["bob": offline, "carol": offline])
      }
      for gateway in 0..<2 {
        let bob = try await stand.online("bob", gateway: gateway)
        for watcher in [alice, tablet] {
          #expect(try await watcher.expectPresence() == ["bob": online])
        }
        bob.close()
        try await self.gone("bob", on: stand)
        for watcher in [alice, tablet] {
          let told = try await watcher.expectPresence()
          #expect(told.count == 1)
          #expect(told["bob"]?.online == false)
          #expect(told["bob"]?.lastSeen != nil)
        }
      }
      // Two devices are one user: the second tells nothing.
      let phone = try await stand.online("carol", device: "phone", gateway: 1)
      for watcher in [alice, tablet] {
        #expect(try await watcher.expectPresence() == ["carol": online])
      }
      let other = try await stand.online("carol", device: "other")
      phone.close()
      try await eventually("the phone is gone") {
        try await stand.session("carol", device: "phone") == nil
      }
      other.close()
      try await eventually("the other is gone") {
        try await stand.session("carol", device: "other") == nil
      }
      for watcher in [alice, tablet] {
        #expect(try await watcher.expectPresence()["carol"]?.online == false)
        try await watcher.expectOpen()
      }
    }
  }

  @Test("counts a session only while its gateway lives, and for no longer than its heartbeat")
  func ghosts() async throws {
    try await self.with(gateways: 1) { stand in
      let alice = try await stand.online("alice")
      try await self.enter("bob", at: "x1", seconds: 600, on: stand)
      try await self.enter("carol", at: "x2", seconds: 600, on: stand)
      // As after a restart of this gateway under its name.
      try await self.enter("dave", at: "g1", seconds: 600, on: stand)
      alice.sendPresence(["bob", "carol", "dave"], id: "p1", watch: true)
      #expect(
        try await alice.expectPresence(id: "p1")
          == ["bob": online, "carol": online, "dave": offline])
      // What is left of its time ends only now, however long it took to come here.
      try await stand.redis("EXPIRE", "\(stand.keys.outgoing(InstanceID("x1")!))", "1")
      // Nobody takes the session out of the registry.
      #expect(try await alice.expectPresence() == ["bob": offline])
      #expect(try await stand.session("bob", device: "phone") == "x1/c.1")
      try await alice.expectOpen()
      try await self.enter("bob", at: "x2", seconds: 600, on: stand)
      #expect(try await alice.expectPresence() == ["bob": online])
    }
  }

  @Test("does not count the sessions of a gateway's former life, once it has started again")
  func formerLife() async throws {
    try await self.with(gateways: 1) { stand in
      let alice = try await stand.online("alice")
      let started = try await stand.now()
      func enter(_ user: String, startedAt time: UInt64) async throws {
        try await self.enter(user, at: "x1", seconds: 600, on: stand)
        try await stand.redis(
          "HSET", "\(stand.keys.session(UserName(user)!))", "phone",
          "x1/\(String(time, radix: 36)).1")
      }
      try await enter("bob", startedAt: started - 10_000)
      alice.sendPresence(["bob"], id: "p1", watch: true)
      #expect(try await alice.expectPresence(id: "p1") == ["bob": online])
      let heartbeat = "\(stand.keys.gateway(InstanceID("x1")!))"
      try await stand.redis("HSET", heartbeat, "started", "\(started)")
      #expect(try await alice.expectPresence() == ["bob": offline])
      try await enter("carol", startedAt: started)
      try await enter("bob", startedAt: started + 10_000)
      #expect(try await alice.expectPresence() == ["bob": online])
      alice.sendPresence(["carol"], id: "p2")
      #expect(try await alice.expectPresence(id: "p2") == ["carol": online])
    }
  }

  @Test("watches what was named last, until a request without watch or the end of the connection")
  func replaced() async throws {
    try await self.with(gateways: 1, { $0.watchedUsers = 100 }) { stand in
      let alice = try await stand.online("alice")
      alice.sendPresence(["bob", "carol"], id: "p1", watch: true)
      _ = try await alice.expectPresence(id: "p1")
      alice.sendPresence(["carol"], id: "p2", watch: true)
      _ = try await alice.expectPresence(id: "p2")
      try await self.enter("bob", at: "x1", seconds: 600, on: stand)
      try await self.enter("carol", at: "x1", seconds: 600, on: stand)
      #expect(try await alice.expectPresence() == ["carol": online])
      alice.sendPresence(["bob"], id: "p3")
      #expect(try await alice.expectPresence(id: "p3") == ["bob": online])
      let erin = try await stand.online("erin", device: "other")
      erin.sendPresence(["carol"], id: "p4", watch: true)
      _ = try await erin.expectPresence(id: "p4")
      try await stand.redis("DEL", "\(stand.keys.session(UserName("carol")!))")
      #expect(try await erin.expectPresence() == ["carol": offline])
      try await alice.expectOpen()
    }
  }

  @Test("has room again for the hundred users of a watcher who reconnects")
  func reconnects() async throws {
    try await self.with(gateways: 1, { $0.watchedUsers = 100 }) { stand in
      for round in 0..<3 {
        let alice = try await stand.online("alice")
        let users = (0..<100).map { "r\(round).\($0)" }
        // The end of the one before may not have been seen yet.
        try await eventually("there is room") {
          alice.sendPresence(users, id: "p1", watch: true)
          let frame = try await alice.expectFrame()
          guard case .presence(let presence) = frame.frame else { return false }
          #expect(presence.users.count == 100)
          return presence.users.values.allSatisfy { $0 == offline }
        }
        try await self.enter("r\(round).7", at: "x1", seconds: 600, on: stand)
        #expect(try await alice.expectPresence() == ["r\(round).7": online])
        if round == 0 { alice.close() } else { alice.sendClose(1_000) }
      }
    }
  }

  @Test("is refused beyond what a gateway watches, and what was watched before still is")
  func limit() async throws {
    try await self.with(gateways: 1, { $0.watchedUsers = 3 }) { stand in
      let alice = try await stand.online("alice")
      alice.sendPresence(["b", "c"], id: "p1", watch: true)
      _ = try await alice.expectPresence(id: "p1")
      alice.sendPresence(["b", "d", "e", "f"], id: "p2", watch: true)
      let rejected = try await alice.expectRejected("p2")
      #expect(rejected.code == "overloaded")
      #expect(rejected.message.contains("3 users are watched"))
      #expect(rejected.retryable)
      alice.sendPresence(["b", "d", "e", "f"], watch: true)
      #expect(try await alice.expectError() == "overloaded")
      try await self.enter("c", at: "x1", seconds: 600, on: stand)
      #expect(try await alice.expectPresence() == ["c": online])
      alice.sendPresence(["b", "d", "e", "f"], id: "p3")
      #expect(try await alice.expectPresence(id: "p3").count == 4)
    }
  }

  @Test("is refused beyond what one user's devices watch on a gateway, and not to others")
  func limitOfUser() async throws {
    try await self.with(gateways: 1, { $0.watchedUsersOfUser = 3 }) { stand in
      let phone = try await stand.online("alice")
      let tablet = try await stand.online("alice", device: "tablet")
      let bob = try await stand.online("bob")
      phone.sendPresence(["c", "d"], id: "p1", watch: true)
      _ = try await phone.expectPresence(id: "p1")
      tablet.sendPresence(["d", "e"], id: "p2", watch: true)
      _ = try await tablet.expectPresence(id: "p2")
      tablet.sendPresence(["e", "f"], id: "p3", watch: true)
      let rejected = try await tablet.expectRejected("p3")
      #expect(rejected.code == "overloaded")
      #expect(rejected.message.contains("3 users are watched by this user's devices"))
      #expect(rejected.retryable)
      bob.sendPresence(["e", "f"], id: "p4", watch: true)
      _ = try await bob.expectPresence(id: "p4")
      phone.close()
      try await eventually("there is room") {
        tablet.sendPresence(["e", "f", "g"], id: "p5", watch: true)
        return try await tablet.expectFrame().type == "presence"
      }
    }
  }

  @Test("of an erased user is that of one who never was")
  func erased() async throws {
    try await self.with { stand in
      let api = try await stand.startAPI()
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob", gateway: 1)
      alice.sendPresence(["bob"], id: "p1", watch: true)
      #expect(try await alice.expectPresence(id: "p1") == ["bob": online])
      let answer = try await api.ask(HTTPTestRequest("DELETE", "/v1/users/bob"))
      #expect((200...204).contains(answer.status), "\(answer)")
      // The gateway may have looked while he was gone and not yet erased.
      #expect(try await alice.expectPresence()["bob"]?.online == false)
      alice.sendPresence(["bob"], id: "p2")
      #expect(try await alice.expectPresence(id: "p2") == ["bob": offline])
      _ = bob
    }
  }

  @Test("may be asked for as often as a user may make requests")
  func rate() async throws {
    try await self.with(gateways: 1, { $0.requestsPerSecond = 1 }) { stand in
      let alice = try await stand.online("alice")
      for number in 0..<30 { alice.sendPresence(["bob"], id: "p\(number)") }
      var codes: [String] = []
      var answers = 0
      for _ in 0..<30 {
        switch try await alice.expectFrame().frame {
        case .presence: answers += 1
        case .rejected(let rejected): codes.append(rejected.code)
        default: Issue.record("neither answered nor rejected")
        }
      }
      #expect((10..<30).contains(answers))
      #expect(Set(codes) == ["rate_limited"])
    }
  }

  @Test("may be asked for sixteen times at once by a connection")
  func unanswered() async throws {
    var options = TestStand.Options()
    options.redis = .plain
    options.clients = { PatientClients($0) }
    options.configure = { $0.requestsPerSecond = 0 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      stand.server.pause()
      for number in 0..<17 { alice.sendPresence(["bob"], id: "p\(number)") }
      #expect(try await alice.expectRejected("p16").code == "overloaded")
      stand.server.resume()
      for number in 0..<16 { _ = try await alice.expectPresence(id: "p\(number)") }
      alice.sendPresence(["bob"], id: "last")
      _ = try await alice.expectPresence(id: "last")
    }
  }

  @Test("is unavailable while Redis is away, and what was watched is watched still")
  func outage() async throws {
    var options = TestStand.Options()
    options.redis = .plain
    options.persistence = .appendOnly()
    options.configure = { $0.presenceSeconds = 1 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      alice.sendPresence(["bob"], id: "p1", watch: true)
      #expect(try await alice.expectPresence(id: "p1") == ["bob": offline])
      await stand.server.kill()
      alice.sendPresence(["bob"], id: "p2", watch: true)
      #expect(try await alice.expectRejected("p2").code == "unavailable")
      // What is not answered costs nothing, however often one asks.
      for number in 0..<25 {
        alice.sendPresence(["bob"], id: "p\(number)", watch: true)
        #expect(try await alice.expectRejected("p\(number)").code == "unavailable")
        alice.ask("history", #","id":"h\#(number)""#)
        #expect(try await alice.expectRejected("h\(number)").code == "unavailable")
      }
      try await stand.server.restart()
      try await eventually("Redis is back") {
        (try? await self.enter("bob", at: "x1", seconds: 600, on: stand)) != nil
      }
      #expect(try await alice.expectPresence() == ["bob": online])
    }
  }

  @Test("ends for all gateways with a socket that closed while Redis was away")
  func closedMeanwhile() async throws {
    var options = TestStand.Options(gateways: 2)
    options.redis = .plain
    options.persistence = .appendOnly()
    options.configure = { $0.requestsPerSecond = 0 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice", gateway: 1)
      let bob = try await stand.online("bob")
      alice.sendPresence(["bob"], id: "p0")
      #expect(try await alice.expectPresence(id: "p0") == ["bob": online])
      await stand.server.kill()
      bob.close()
      try await stand.server.restart()
      var number = 0
      try await eventually("bob to be offline") {
        number += 1
        alice.sendPresence(["bob"], id: "p\(number)")
        let answer = try await alice.expectFrame("an answer")
        guard case .presence(let presence) = answer.frame else { return false }
        return presence.users[UserName("bob")!]?.online == false
      }
    }
  }

  @Test("that a slow reader missed is told when it reads again, the newest only")
  func slow() async throws {
    try await self.with(gateways: 1, { $0.signalsPerSecond = 0 }) { stand in
      let (slow, _) = try await TestSocket.upgrade(
        port: stand.gateways[0].port, try await stand.request("alice", device: "slow"),
        receiveBufferBytes: 4_096)
      try await slow.expectWelcome()
      try await slow.expectLive()
      slow.sendPresence(["bob", "carol"], id: "p1", watch: true)
      _ = try await slow.expectPresence(id: "p1")
      let fast = try await stand.online("alice", device: "fast")
      fast.sendPresence(["bob", "carol"], id: "p1", watch: true)
      _ = try await fast.expectPresence(id: "p1")
      try await slow.setReading(false)
      let body = "\"\(String(repeating: "x", count: 2_000))\""
      for _ in 0..<300 {
        fast.sendSignal("s", to: "alice", also: #","body":\#(body)"#)
        _ = try await fast.expectSignal()
      }
      try await self.enter("bob", at: "x1", seconds: 600, on: stand)
      #expect(try await fast.expectPresence() == ["bob": online])
      try await self.enter("carol", at: "x1", seconds: 600, on: stand)
      #expect(try await fast.expectPresence() == ["carol": online])
      try await stand.redis("DEL", "\(stand.keys.session(UserName("bob")!))")
      #expect(try await fast.expectPresence() == ["bob": offline])
      try await slow.setReading(true)
      var told: [ServerFrame.Presence] = []
      while told.isEmpty {
        switch try await slow.expectFrame().frame {
        case .signal: break
        // Its loop, which is not that of the fast one, may have told it before its socket was full.
        case .presence(let presence) where presence.users == [UserName("bob")!: online]: break
        case .presence(let presence): told.append(presence)
        default: Issue.record("neither a signal nor presence")
        }
      }
      #expect(told[0].users == [UserName("bob")!: offline, UserName("carol")!: online])
    }
  }
}
