import ConnectProtocol
import ConnectTestStand
import TestSupport
import Testing

@Suite("A gateway that stops")
struct DrainTests {
  /// The frames that a client saw until its connection ended.
  private struct Seen {
    var accepted: Set<String> = []
    var rejected: [String: String] = [:]
    var saidGoodbye = false
  }

  private func readToEnd(_ socket: TestSocket) async throws -> Seen {
    var seen = Seen()
    while true {
      switch try await socket.next() {
      case .text(let text):
        let frame = try Array(text.utf8).withUnsafeBytes { try ServerFrame.scan($0) }
        switch frame {
        case .accepted(let id, _): seen.accepted.insert(id.text)
        case .rejected(let rejected): seen.rejected[rejected.id.text] = rejected.code
        case .goodbye: seen.saidGoodbye = true
        default: break
        }
      case .ended: return seen
      default: break
      }
    }
  }

  /// One connection goes per second, and the time for all is not waited for: a stop ends when the last
  /// connection does.
  private var unhurried: TestStand.Options {
    var options = TestStand.Options()
    options.configure = {
      $0.drainPerSecond = 1
      $0.drainSeconds = 3_600
    }
    return options
  }

  /// However long a test takes to come to it, answers must still be waited for.
  private var patient: TestStand.Options {
    var options = TestStand.Options()
    options.configure = {
      $0.drainSeconds = 600
      $0.answerMilliseconds = 60_000
    }
    return options
  }

  /// Users `name0`, `name1` and so on.
  private func online(
    _ count: Int, _ name: String, at stand: TestStand
  ) async throws -> [TestSocket] {
    var sockets: [TestSocket] = []
    for number in 0..<count { sockets.append(try await stand.online("\(name)\(number)")) }
    return sockets
  }

  private func expectLeft(_ sockets: [TestSocket]) async throws {
    for socket in sockets {
      _ = try await socket.expectFrame(type: "goodbye")
      try await socket.expectClose(1012)
    }
  }

  @Test(
    "lets its connections go one by one, and serves each until its turn; new ones are refused",
    .timeLimit(.minutes(20)))
  func spread() async throws {
    try await TestStand.with(self.unhurried) { stand in
      var sockets = try await self.online(8, "user", at: stand)
      await stand.gateways[0].service.beginStop()
      // A send to each, again and again: it is accepted before the connection's turn.
      var round = 0
      var told = 0
      var servedAfterTheFirst = 0
      while told == 0 || servedAfterTheFirst == 0 {
        round += 1
        for socket in sockets {
          socket.sendMessage("\(round)", to: "nobody.\(round % 3)")
          let frame = try await socket.expectFrame()
          if frame.type == "goodbye" {
            told += 1
            sockets.removeAll { $0 === socket }
            socket.close()
          } else {
            #expect(frame.type == "accepted")
            if told > 0 { servedAfterTheFirst += 1 }
          }
        }
        try #require(!sockets.isEmpty, "they were told all at once")
      }
      #expect(await stand.gateways[0].isReady() == false)
      // Another test's gateway may listen there by now, so what counts is that it is not this one.
      let late = try? await stand.connect("late").expectWelcome()
      #expect(late?.gateway != "\(stand.gateways[0].id)")
      // Those that are left go by themselves, and then nothing is waited for.
      for socket in sockets { socket.close() }
      try await stand.gateways[0].service.stop()
    }
  }

  @Test("tells a sender of everything that it has taken")
  func answers() async throws {
    try await TestStand.with(self.patient) { stand in
      let sockets = try await self.online(6, "sender", at: stand)
      for socket in sockets {
        for number in 0..<60 { socket.sendMessage("\(number)", to: "bob") }
      }
      // Some are accepted, and the others are on their way.
      try await sockets[0].expectAccepted("0")
      await stand.gateways[0].service.beginStop()
      var accepted: Set<String> = ["sender0/0"]
      for (number, socket) in sockets.enumerated() {
        for id in 60..<120 { socket.sendMessage("\(id)", to: "bob") }
        let seen = try await self.readToEnd(socket)
        #expect(seen.saidGoodbye)
        #expect(Set(seen.rejected.values).isSubset(of: ["draining"]))
        accepted.formUnion(seen.accepted.map { "sender\(number)/\($0)" })
      }
      try await stand.gateways[0].service.stop()
      try await eventually("messaging has stored what was taken") {
        try await stand.redis.length(of: stand.incoming("bob")) == 0
      }
      try await stand.startGateway()
      let bob = try await stand.connect("bob", gateway: 1)
      try await bob.expectWelcome()
      var stored: Set<String> = []
      while stored.count < accepted.count {
        let message = try await bob.expectMessage()
        stored.insert("\(message.from)/\(message.id)")
        bob.ack(message.offset)
      }
      #expect(stored == accepted)
      // Nothing more: nothing was taken without an answer.
      try await bob.expectLive()
    }
  }

  @Test("rejects sends after the goodbye, and waits for answers that are due")
  func draining() async throws {
    var options = self.patient
    options.clients = { PatientClients($0) }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      stand.server.pause()
      alice.sendMessage("1", to: "bob")
      // Behind the send: once it is answered, the send has gone to Redis.
      try await alice.expectOpen()
      await stand.gateways[0].service.beginStop()
      _ = try await alice.expectFrame(type: "goodbye")
      alice.sendMessage("2", to: "bob")
      let rejected = try await alice.expectRejected("2")
      #expect(rejected.code == "draining")
      #expect(rejected.retryable)
      stand.server.resume()
      try await alice.expectAccepted("1")
      try await alice.expectClose(1012)
      try await stand.gateways[0].service.stop()
    }
  }

  @Test("without time for it lets all go at once")
  func atOnce() async throws {
    var options = TestStand.Options()
    options.configure = { $0.drainSeconds = 0 }
    try await TestStand.with(options) { stand in
      let sockets = try await self.online(8, "user", at: stand)
      try await stand.gateways[0].service.stop()
      try await self.expectLeft(sockets)
      #expect(try await stand.session("user0") == nil)
    }
  }

  @Test("stores what was read, though Redis has to be given the script for it")
  func reads() async throws {
    var options = TestStand.Options()
    options.hasMessaging = false
    // It has no replica, so that what is to be confirmed takes longer than all else.
    options.redis = .plain
    options.clients = { PatientClients($0) }
    options.configure = {
      $0.drainSeconds = 0
      $0.durability = .replicated(1)
    }
    try await TestStand.with(options) { stand in
      let mailbox = "\(stand.keys.mailbox(try #require(UserName("bob"))))"
      try await stand.redis("XADD", mailbox, "7-0", "no", "message")
      let bob = try await stand.online("bob")
      stand.server.pause()
      bob.read(Offset("7-0")!, of: "alice", isPrivate: true)
      // Behind the read: once it is answered, the read has gone to Redis.
      try await bob.expectOpen()
      await stand.gateways[0].service.beginStop()
      _ = try await bob.expectFrame(type: "goodbye")
      stand.server.resume()
      try await stand.gateways[0].service.stop()
      let row = try await stand.position("alice", of: "bob")
      #expect(row?.hasPrefix("0-0 0-0 7-0 ") == true)
    }
  }

  @Test("lets all go at once when it is cancelled", .timeLimit(.minutes(20)))
  func cancelled() async throws {
    var options = TestStand.Options()
    options.configure = {
      $0.drainSeconds = 36_000
      $0.closeMilliseconds = 3_600_000
    }
    try await TestStand.with(options) { stand in
      let sockets = try await self.online(8, "user", at: stand)
      // So they would be waited for.
      for socket in sockets { try await socket.setAnswersClose(false) }
      await stand.gateways[0].service.cancel()
      try await self.expectLeft(sockets)
    }
  }

  @Test("ends the connections that are still opening when no time is left, without a word")
  func abandoned() async throws {
    var options = TestStand.Options()
    options.clients = { PatientClients($0) }
    options.configure = { $0.drainSeconds = 1 }
    try await TestStand.with(options) { stand in
      stand.server.pause()
      let alice = try await stand.connect("alice")
      await stand.gateways[0].service.beginStop()
      #expect(try await alice.next() == .ended)
      stand.server.resume()
      try await stand.gateways[0].service.stop()
    }
  }
}
