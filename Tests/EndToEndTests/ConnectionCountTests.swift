import ConnectBench
import Foundation
import LocalRedis
import Testing

@Suite("Connections to a cluster")
struct ConnectionCountTests {
  @Test("are as few as Redis.md states, and opened where they are needed")
  func bound() async throws {
    var options = Deployment.Options(executable: Program.connectBesideTests)
    options.redis = .cluster
    options.messaging = 2
    try await Deployment.with(options) { deployment in
      let gateway = try #require(deployment.gateways.first)
      try await Chatters.with(
        Chatters.Options(users: 20, rate: 100), endpoint: gateway.endpoint,
        token: { try await deployment.token(for: $0) }
      ) { try await $0.shown(500) }

      let cores = ProcessInfo.processInfo.activeProcessorCount
      let (shards, partitions, instances) = (3, 16, 4)
      // One for a moment now and then to ask for the topology, of each; and the deployment's own.
      let bound = cores * shards * instances + instances + partitions + instances + shards
      var count = 0
      for node in deployment.redis.nodes {
        let list = try await node.command("CLIENT", "LIST", "TYPE", "normal").string ?? ""
        let lines = list.split(whereSeparator: \.isNewline)
        // Without the one that asks.
        count += lines.count { !$0.contains("cmd=client") }
      }
      print("connections: \(count) of at most \(bound)")
      #expect(count <= bound)
      // Each partition has a reader.
      #expect(count >= partitions + instances)
    }
  }
}
