import LocalCluster
import LocalRedis
import TestSupport
import Testing

@Suite("A private Redis cluster that speaks TLS", .serialized, .timeLimit(.minutes(20)))
struct ClusterTLSTests {
  @Test(
    "names to each client the ports of the kind that it uses, by address or by name",
    arguments: [nil, "localhost"])
  func ports(hostname: String?) async throws {
    var options = LocalRedisCluster.Options()
    let files = try LocalCertificates.shared.serverFiles(clients: .optional)
    options.tls = files
    options.announcesHostname = hostname
    options.users = ["app on >secret ~* &* +@all"]
    try await RedisFixture.withCluster(options) { cluster in
      let host = hostname ?? "127.0.0.1"
      let nodes = cluster.nodes
      let tlsPorts = nodes.compactMap(\.tlsPort)
      #expect(tlsPorts.count == 3)
      let addresses = tlsPorts.map { "localhost:\($0)" }.joined(separator: ",")
      #expect(cluster.tlsURL == "rediss://\(addresses)")

      let slots = try #require(try await nodes[1].command("CLUSTER", "SLOTS").array)
      let named = slots.compactMap { $0.array?[2].array }
      #expect(named.map { $0[0].string } == [host, host, host])
      #expect(Set(named.map { $0[1].integer }) == Set(nodes.map(\.port)))
      let overTLS = try await redisCLIOverTLS("CLUSTER SLOTS", port: tlsPorts[1], files: files)
      for node in nodes { #expect(!overTLS.contains("\(node.port)")) }
      for port in tlsPorts { #expect(overTLS.contains("\(port)")) }

      // "foo" is in slot 12182, of the third node.
      let plain = try await redisCLI("GET foo", port: nodes[0].port)
      #expect(plain == "MOVED 12182 \(host):\(nodes[2].port)")
      let secure = try await redisCLIOverTLS("GET foo", port: tlsPorts[0], files: files).first
      #expect(secure == "MOVED 12182 \(host):\(tlsPorts[2])")

      // A node that is to move keys to another speaks TLS with it.
      try await nodes[2].command("SET", "foo", "value")
      try await cluster.migrate(slot: 12182, to: nodes[0]) {
        if try await nodes[2].command("CLUSTER", "COUNTKEYSINSLOT", "12182").integer == 0 {
          let asked = try await redisCLIOverTLS("GET foo", port: tlsPorts[2], files: files).first
          #expect(asked == "ASK 12182 \(host):\(tlsPorts[0])")
        }
      }
      #expect(try await nodes[0].command("GET", "foo").string == "value")
    }
  }

  @Test("replicates and fails over")
  func replicas() async throws {
    var options = LocalRedisCluster.Options()
    options.tls = try LocalCertificates.shared.serverFiles(clients: .required)
    options.replicasPerPrimary = 1
    try await RedisFixture.withCluster(options) { cluster in
      let primary = try await cluster.primaries()[0]
      let replica = try await cluster.failOver(primary)
      #expect(try await cluster.replicas(of: replica).map(\.port) == [primary.port])
    }
  }
}
