import LocalCluster
import LocalRedis
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import Redis

/// Writes of a client while a cluster is changed arrive once, in order, or are reported.
@Suite("While a cluster changes, a client", .serialized, .timeLimit(.minutes(20)))
struct ClusterChangeTests {
  /// Several keys of one slot, and one elsewhere.
  private func keys(_ slot: HashSlot, _ name: String) -> [RedisKey] {
    (0..<4).map { key(in: slot, "\(name):\($0)") } + [RedisKey("elsewhere:\(name)")]
  }

  private func expectSettled(_ client: any RedisClient) async throws {
    let cluster = try #require(client as? ClusterClient)
    #expect(try await eventually { try await cluster.isSettled() })
  }

  @Test("keeps the order of each key, and loses nothing, while a slot moves there and back")
  func migration() async throws {
    try await RedisFixture.withCluster { cluster in
      let (source, target) = (cluster.nodes[0], cluster.nodes[2])
      let slot = try await cluster.slot(of: source)
      try await withClusterClient(cluster) { client in
        let writer = NumberWriter(client, keys: keys(slot, "migration"))
        let report = try await writer.run {
          try await writer.progress()
          for node in [target, source, target, source] {
            try await cluster.migrate(slot: slot.number, to: node, keysPerStep: 1) {
              try await writer.progress()
            }
            try await writer.progress()
          }
        }
        #expect(try await writer.check(report) == [])
        #expect(report.isAllAcknowledged, "\(report.errors)")
        try await expectSettled(client)
      }
    }
  }

  @Test("follows ASK to a node that has no slot yet, and forgets a node that has none any more")
  func addedAndRemoved() async throws {
    var options = LocalRedisCluster.Options()
    // A node that has lost its last slot replicates; at its end nobody is to wait for that.
    options.extraArguments = ["--shutdown-timeout", "0"]
    try await RedisFixture.withCluster(options) { cluster in
      let former = cluster.nodes[1]
      let slot = try await cluster.slot(of: former)
      try await withFactory(cluster.url) { factory in
        try await factory.withClient { client in
          let node = try #require(client as? ClusterClient)
          let writer = NumberWriter(client, keys: keys(slot, "added"))
          let report = try await writer.run {
            try await writer.progress()
            let added = try await cluster.addPrimary()
            try await cluster.migrate(slot: slot.number, to: added, keysPerStep: 1) {
              try await writer.progress()
            }
            try await writer.progress()
            #expect(try await node.ports().contains(added.port))
            // What one client learns, the others of the process know.
            try await factory.withClient { other in
              let key = key(in: slot, "added:last")
              try await other.execute(key: key, "SET", "\(key)", "x").check()
              let asked = try #require(other as? ClusterClient)
              #expect(try await asked.ports() == [added.port])
            }
            try await cluster.migrate(slot: slot.number, to: former, keysPerStep: 1) {
              try await writer.progress()
            }
            try await writer.progress()
            #expect(try await eventually { try await !node.ports().contains(added.port) })
            #expect(try await eventually { try await added.clientCount() == 0 })
            try await cluster.remove(added)
            try await writer.progress()
          }
          #expect(try await writer.check(report) == [])
          #expect(report.isAllAcknowledged, "\(report.errors)")
          try await expectSettled(client)
        }
      }
    }
  }

  private func replicated() -> LocalRedisCluster.Options {
    var options = LocalRedisCluster.Options()
    options.replicasPerPrimary = 1
    options.nodeTimeoutMilliseconds = LocalRedisCluster.Options.shortNodeTimeoutMilliseconds
    return options
  }

  private let confirmation = RedisBatch.Confirmation(replicas: 1, milliseconds: 1_000)

  @Test("loses nothing that was confirmed, and keeps the order, when a replica takes over by hand")
  func failOver() async throws {
    try await RedisFixture.withCluster(replicated()) { cluster in
      let first = try await cluster.primaries()[0]
      let slot = try await cluster.slot(of: first)
      try await withClusterClient(cluster) { client in
        let writer = NumberWriter(
          client, keys: keys(slot, "failover"), confirmation: confirmation)
        let report = try await writer.run {
          try await writer.progress()
          let second = try await cluster.failOver(first)
          try await writer.progress()
          _ = try await cluster.failOver(second)
          try await writer.progress()
        }
        #expect(try await writer.check(report) == [])
        try await expectSettled(client)
      }
    }
  }

  @Test(
    "loses nothing that was confirmed, and says what may have been executed, when a primary dies",
    arguments: [false, true])
  func death(isPaused: Bool) async throws {
    try await RedisFixture.withCluster(replicated()) { cluster in
      let primary = try await cluster.primaries()[1]
      let slot = try await cluster.slot(of: primary)
      try await withClusterClient(cluster) { client in
        let writer = NumberWriter(
          client, keys: keys(slot, "death"), confirmation: confirmation, timeout: .seconds(3))
        let report = try await writer.run {
          try await writer.progress()
          if isPaused { primary.pause() } else { await primary.kill() }
          let promoted = try await cluster.waitForPromotion(of: primary)
          let key = key(in: slot, "death:probe")
          let isWritten = try await eventually {
            await client.execute(key: key, timeout: .seconds(3), "SET", "\(key)", "x")
              .failure(0) == nil
          }
          #expect(isWritten)
          try await writer.progress()
          if isPaused { primary.resume() } else { try await primary.restart() }
          try await cluster.waitUntilOK()
          #expect(try await cluster.primary(of: slot.number) === promoted)
          try await writer.progress()
        }
        #expect(try await writer.check(report) == [])
        #expect(report.outcomes.joined().contains(.perhaps))
        try await expectSettled(client)
      }
    }
  }

  @Test(
    "says that it is ready again once a replica has taken over from the only node that it needs")
  func readyAfterPromotion() async throws {
    try await RedisFixture.withCluster(replicated()) { cluster in
      let primary = try await cluster.primaries()[2]
      let key = key(in: try await cluster.slot(of: primary), "ready")
      try await withClusterClient(cluster) { client in
        try await client.execute(key: key, "SET", "\(key)", "x").check()
        await primary.kill()
        #expect(try await eventually { try await !client.isReadyNow() })
        let ready = client.whenReady()
        _ = try await cluster.waitForPromotion(of: primary)
        let promise = client.eventLoop.makePromise(of: Void.self)
        ready.cascade(to: promise)
        client.eventLoop.scheduleTask(in: .seconds(60)) {
          promise.fail(TestFailure("the client was not ready"))
        }
        try await promise.futureResult.get()
        let isServed = try await eventually {
          await client.execute(key: key, "SET", "\(key)", "y").failure(0) == nil
        }
        #expect(isServed)
      }
    }
  }

  @Test("tries for a bounded time while slots have no node, and goes on when they have one again")
  func clusterDown() async throws {
    var options = LocalRedisCluster.Options()
    options.nodeTimeoutMilliseconds = LocalRedisCluster.Options.shortNodeTimeoutMilliseconds
    try await RedisFixture.withCluster(options) { cluster in
      let (dead, other) = (cluster.nodes[1], cluster.nodes[2])
      let lost = key(in: try await cluster.slot(of: dead), "down")
      let kept = key(in: try await cluster.slot(of: other), "down")
      try await withClusterClient(cluster) { client in
        for key in [lost, kept] { try await client.execute(key: key, "SET", "\(key)", "x").check() }
        await dead.kill()
        let isDown = try await eventually {
          let reply = try? await other.command("CLUSTER", "INFO").string
          return reply?.contains("cluster_state:fail") == true
        }
        #expect(isDown)
        let start = ContinuousClock.now
        let refused = await client.execute(key: kept, timeout: .seconds(5), "GET", "\(kept)")
        let failed = await client.execute(key: lost, timeout: .seconds(5), "GET", "\(lost)")
        // Both within their time, 5 s each, where another try would take for ever.
        #expect(ContinuousClock.now - start < TestWaits.usual)
        #expect(refused.serverError(0)?.code == "CLUSTERDOWN")
        #expect(refused.serverError(0)?.isTransient == true)
        #expect(failed.failure(0)?.isUnavailable == true)
        try await dead.restart()
        try await cluster.waitUntilOK()
        for key in [lost, kept] {
          let isServed = try await eventually {
            await client.execute(key: key, "SET", "\(key)", "y").failure(0) == nil
          }
          #expect(isServed)
        }
        try await expectSettled(client)
      }
    }
  }
}
