import ConnectProtocol
import ConnectTestStand
import Foundation
import LocalRedis
import MessageBus
import Redis
import TestSupport
import Testing

@testable import Gateway

extension TestStand {
  /// A user's only connection, to the first gateway.
  func connection(_ user: String) throws -> ConnectionReference {
    let directory = self.gateways[0].gateway.directory
    guard let connection = directory.connections(of: [UserName(user)!])[0]?.all.first else {
      throw TestFailure("\(user) is not connected")
    }
    return connection
  }

  /// What Redis has counted of a command, such as `calls`.
  func statistic(_ name: String, of command: String) async throws -> Int {
    var sum = 0
    for node in self.server.nodes {
      let statistics = try await node.command("INFO", "commandstats").string ?? ""
      for line in statistics.split(whereSeparator: \.isNewline)
      where line.hasPrefix("cmdstat_\(command):") {
        let values = line.split { ":,".contains($0) }.map { $0.split(separator: "=") }
        let value = values.first { $0[0] == name }?.last.flatMap { Int($0) }
        sum += try #require(value, "\(line)")
      }
    }
    return sum
  }
}

/// That the answers of Redis reach ``RegistrationStateMachine``, and its decisions Redis.
@Suite("The cursor and the session of a connection")
struct RegistrationTests {
  /// A ping period that no test lives to see.
  private func options(gateways: Int = 1) -> TestStand.Options {
    var options = TestStand.Options(gateways: gateways)
    options.configure = { $0.pingSeconds = 3_600 }
    return options
  }

  /// How many calls of a command Redis has refused.
  private func refusals(of command: String, by stand: TestStand) async throws -> Int {
    try await stand.statistic("failed_calls", of: command)
  }

  @Test("are stored in spite of a Redis that refuses the cursor for a while")
  func cursorRefused() async throws {
    try await TestStand.with(self.options()) { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob")
      var offsets: [Offset] = []
      for id in ["1", "2"] {
        alice.sendMessage(id, to: "bob")
        offsets.append(try await bob.expectMessage().offset)
      }
      bob.ack(offsets[0])
      try await eventually("the first cursor is stored") {
        try await stand.cursor("bob") == offsets[0]
      }

      let key = "\(stand.keys.cursor(UserName("bob")!))"
      try await stand.redis("SET", key, "not a hash")
      let before = try await self.refusals(of: "hset", by: stand)
      bob.ack(offsets[1])
      try await eventually("Redis has refused the second cursor") {
        try await self.refusals(of: "hset", by: stand) > before
      }
      try await stand.redis("DEL", key)
      try await eventually("the second cursor is stored") {
        try await stand.cursor("bob") == offsets[1]
      }
    }
  }

  @Test("let a message through that comes between the registration and its answer")
  func pushedEarly() async throws {
    let registrations = HeldRegistrations()
    var options = self.options(gateways: 2)
    options.clients = { RegistrationHoldingClients(clients: $0, registrations: registrations) }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice", gateway: 1)
      registrations.hold()
      let bob = try await stand.connect("bob")
      try await eventually("bob is registered, as only Redis knows") { registrations.held == 1 }
      alice.sendMessage("1", to: "bob")
      let offset = try await alice.expectAccepted("1")
      let connection = try stand.connection("bob")
      try await eventually("it was pushed") {
        try await connection.eventLoop.submit {
          connection.value.activity?.hasMissedPush == true
        }.get()
      }
      registrations.handOn()
      #expect(try await bob.expectWelcome().offset == .zero)
      #expect(try await bob.expectMessage().offset == offset)
      #expect(try await bob.expectLive() == offset)
    }
  }

  @Test("are entered again behind the welcome if the gateway was forgotten before it")
  func forgottenEarly() async throws {
    let registrations = HeldRegistrations()
    var options = self.options()
    options.clients = { RegistrationHoldingClients(clients: $0, registrations: registrations) }
    try await TestStand.with(options) { stand in
      registrations.hold()
      let bob = try await stand.connect("bob")
      try await eventually("bob is registered, as only Redis knows") { registrations.held == 1 }
      let session = try #require(try await stand.session("bob"))
      let connection = try stand.connection("bob")
      // As messaging does to a gateway that it takes for dead.
      try await stand.redis("DEL", "\(stand.keys.outgoing(stand.gateways[0].id))")
      try await stand.redis("DEL", "\(stand.keys.session(UserName("bob")!))")
      // The clock may visit the first connections of a loop in its first turns, and after that once in a
      // ping period.
      try await eventually("the gateway has noticed, and the clock has passed the connection") {
        try await connection.eventLoop.submit {
          connection.value.registration.state == .lost
            && connection.value.loop.runningNanoseconds >= 3_000_000_000
        }.get()
      }
      registrations.handOn()
      try await bob.expectWelcome()
      try await eventually("the session is back") { try await stand.session("bob") == session }
    }
  }

  @Test("welcome a client whose mailbox Redis refuses to read, which comes later")
  func mailboxRefused() async throws {
    try await TestStand.with(self.options()) { stand in
      let mailbox = "\(stand.keys.mailbox(UserName("bob")!))"
      try await stand.redis("SET", mailbox, "not a stream")
      let bob = try await stand.connect("bob")
      try await bob.expectWelcome()
      try await stand.redis("DEL", mailbox)
      #expect(try await bob.expectLive() == .zero)
    }
  }

  /// It has said so before it was answered, and says nothing more.
  @Test("are waited for by nobody who has closed, also if Redis refuses them")
  func closedEarly() async throws {
    let registrations = HeldRegistrations()
    var options = self.options()
    options.clients = { RegistrationHoldingClients(clients: $0, registrations: registrations) }
    try await TestStand.with(options) { stand in
      try await stand.redis("SET", "\(stand.keys.cursor(UserName("bob")!))", "not a hash")
      registrations.hold()
      let bob = try await TestSocket.open(port: stand.gateways[0].port)
      let close = RawFrame(opcode: 8, payload: [0x03, 0xE8])
      bob.sendRaw(Array(try await stand.request("bob").text.utf8) + close.bytes)
      #expect(try await bob.readHead().status == 101)
      try await bob.startFrames()
      try await bob.setAnswersClose(false)
      try await eventually("the gateway has heard it") { registrations.held == 1 }
      let connection = try stand.connection("bob")
      registrations.handOn()
      try await bob.expectCloseFrame(1013)
      let state = try await connection.eventLoop.submit { connection.value.session.state }.get()
      #expect(state == .closed)
      try await bob.expectNothingMore()
    }
  }

  /// That it is told `live` without a page, or with one where that is not certain, or where many others are being
  /// registered.
  @Test("come with what a client that has all needs to know, but not in a crowd")
  func current() async throws {
    let registrations = HeldRegistrations()
    var options = self.options()
    options.redis = .plain
    options.clients = { RegistrationHoldingClients(clients: $0, registrations: registrations) }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob")
      alice.sendMessage("1", to: "bob")
      let offset = try await bob.expectMessage().offset
      bob.ack(offset)
      try await eventually("the cursor is stored") { try await stand.cursor("bob") == offset }

      /// How many pages are read for one who comes back.
      func pages(since: String? = nil) async throws -> Int {
        let before = try await stand.statistic("calls", of: "xrange")
        let again = try await stand.connect("bob", since: since)
        #expect(try await again.expectWelcome().offset == offset)
        #expect(try await again.expectLive() == offset)
        return try await stand.statistic("calls", of: "xrange") - before
      }
      // Again if the gateway has looked whether its connections miss something, as where a busy machine has cut it
      // off from Redis: these pages are counted, too.
      try await eventually("no page is read") { try await pages() == 0 }
      try await eventually("nor from where the client is") {
        try await pages(since: "\(offset)") == 0
      }
      registrations.divide()
      try await eventually("one is where that is not certain") { try await pages() == 1 }
      registrations.handOn()
      for loop in stand.gateways[0].gateway.loops {
        try await loop.eventLoop.submit {
          loop.registrationsUnderWay += GatewayLimits.looksAtRegistration
        }.get()
      }
      try await eventually("one is in a crowd") { try await pages() == 1 }
    }
  }

  @Test("are entered again within a second, though Redis refuses that at first")
  func renewalRefused() async throws {
    try await TestStand.with(self.options(gateways: 2)) { stand in
      let alice = try await stand.online("alice", gateway: 1)
      let bob = try await stand.online("bob")
      alice.sendMessage("1", to: "bob")
      let offset = try await bob.expectMessage().offset
      bob.ack(offset)
      // The clock may visit the first connections of a loop in its first turns, and after that once in a
      // ping period.
      try await eventually("a second has passed") { try await stand.cursor("bob") == offset }
      let session = try #require(try await stand.session("bob"))
      let key = "\(stand.keys.session(UserName("bob")!))"
      try await stand.redis("SET", key, "not a hash")
      let before = try await self.refusals(of: "hsetnx", by: stand)
      // As messaging does to a gateway that it takes for dead.
      try await stand.redis("DEL", "\(stand.keys.outgoing(stand.gateways[0].id))")
      try await eventually("Redis has refused the session") {
        try await self.refusals(of: "hsetnx", by: stand) > before
      }
      try await stand.redis("DEL", key)
      try await eventually("the session is back") { try await stand.session("bob") == session }
      try await bob.expectOpen()
    }
  }

  @Test("are removed at once when the user is erased, whatever the connection waits for")
  func erased() async throws {
    var options = self.options()
    // The client is waited for longer than a test waits.
    let configure = options.configure
    options.configure = {
      configure(&$0)
      $0.drainSeconds = 6_000
      $0.closeMilliseconds = 600_000
    }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      defer { bob.close() }
      try await bob.setAnswersClose(false)
      await stand.gateways[0].service.beginStop()
      _ = try await bob.expectFrame(type: "goodbye")
      _ = try await bob.expectCloseFrame(1012)
      #expect(try await stand.session("bob") != nil)

      try await self.erase("bob", on: stand)
      try await eventually("the session is gone") { try await stand.session("bob") == nil }
    }
  }

  @Test("are removed only when nothing is under way to the positions of a user who is erased")
  func erasedUnderWay() async throws {
    var options = self.options()
    options.redis = .plain
    let configure = options.configure
    options.configure = {
      configure(&$0)
      // There is no replica, so Redis answers late.
      $0.durability = .replicated(1)
    }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      bob.sendText(#"{"type":"read","peer":"alice","offset":"1-0","private":true}"#)
      try await eventually("it waits for replicas") { try await self.isWaiting(stand) }
      try await self.erase("bob", on: stand)
      try await eventually("the session is gone") { try await stand.session("bob") == nil }
      #expect(try await !self.isWaiting(stand))
    }
  }

  /// Whether Redis waits for replicas to answer somebody.
  private func isWaiting(_ stand: TestStand) async throws -> Bool {
    let clients = try await stand.server.nodes[0].command("CLIENT", "LIST").string ?? ""
    return clients.split(whereSeparator: \.isNewline).contains {
      $0.contains("cmd=wait") && $0.contains("flags=b")
    }
  }

  /// Tells the gateway that a user is erased.
  private func erase(_ user: String, on stand: TestStand) async throws {
    var writer = DeliveryWriter(keys: stand.keys)
    writer.addClosing(
      of: UserName(user)!, device: nil, isErased: true, for: stand.gateways[0].id)
    var batch = RedisBatch()
    _ = writer.write(to: &batch)
    try await stand.redis.client.execute(batch).check()
  }
}
