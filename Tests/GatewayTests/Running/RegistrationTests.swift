import ConnectProtocol
import ConnectTestStand
import Foundation
import LocalRedis
import MessageBus
import Redis
import TestSupport
import Testing

extension TestStand {
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
