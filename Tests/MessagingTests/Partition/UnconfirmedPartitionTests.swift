import ConnectProtocol
import ConnectTestStand
import LocalCluster
import LocalRedis
import MessageBus
import TestSupport
import Testing

@Suite("A partition whose replicas do not confirm", .timeLimit(.minutes(20)))
struct UnconfirmedPartitionTests {
  @Test("tries its batch until they do, and tells the operator from time to time")
  func missingReplica() async throws {
    let log = EventLog()
    var options = TestStand.Options(gateways: 0)
    // Its replica is started here.
    options.redis = .plain
    options.logger = log.logger
    options.configureMessaging = { $0.durability = .replicated(1) }
    try await TestStand.with(options) { stand in
      try await stand.publish("1")
      try await eventually("it has tried more often than it has said so") {
        let reports = log.count("redis.unconfirmed")
        return reports > 0 && log.count("consumer.handle_failed") >= reports + 2
      }

      var replicaOptions = LocalRedisServer.Options()
      replicaOptions.extraArguments = [
        "--replicaof", "127.0.0.1", "\(stand.server.nodes[0].port)", "--repl-diskless-sync-delay",
        "0",
      ]
      let replica = try await LocalRedisServer.start(replicaOptions)
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages().map(\.id) == ["1"])
      await replica.stop()
    }
  }

  @Test("says why, and tries its batch again, where Redis refuses to ask them")
  func refused() async throws {
    let log = EventLog("error", from: .warning)
    var options = TestStand.Options(gateways: 0)
    options.redis = .tls
    options.logger = log.logger
    options.configureMessaging = { $0.durability = .replicated(1) }
    try await TestStand.with(options) { stand in
      let server = try #require(stand.server.nodes.first)
      try await server.command("ACL", "SETUSER", LocalRedisInstallation.user, "-wait")
      try await stand.publish("1")
      try await eventually("the refusal is logged") {
        log.events.contains { $0.contains("redis.unconfirmed") && $0.contains("NOPERM") }
      }
      // Nothing is given up for it.
      #expect(try await stand.redis.entries(of: stand.keys.deadLetters).isEmpty)
      #expect(try await stand.messages().map(\.id) == ["1"])
    }
  }
}
