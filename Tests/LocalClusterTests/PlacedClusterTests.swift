import Foundation
import LocalCluster
import TestSupport
import Testing

@testable import LocalRedis

@Suite("A private Redis cluster that stays where it is", .serialized, .timeLimit(.minutes(20)))
struct PlacedClusterTests {
  private static let password = "of-the-admin"

  /// Six nodes in a directory, which speak TLS only, to whoever logs in.
  private static func options(in directory: String) throws -> LocalRedisCluster.Options {
    let files = try LocalCertificates.shared.serverFiles()
    var options = LocalRedisCluster.Options()
    options.replicasPerPrimary = 1
    var free: Set<Int> = []
    while free.count < 12 { free.insert(try ServerPorts(plain: nil, isTLS: false).plain) }
    for node in 1...6 {
      let place = LocalRedisServer.Place(
        configurationFile: "\(directory)/\(node).conf", directory: "\(directory)/\(node)",
        tlsPort: free.removeFirst(), busPort: free.removeFirst(),
        socket: "\(directory)/\(node).socket", user: "admin",
        password: Self.password, log: "\(directory)/\(node).log")
      let configuration = """
        port 0
        tls-port \(place.tlsPort)
        cluster-port \(place.busPort)
        bind 127.0.0.1
        dir \(place.directory)
        appendonly yes
        cluster-enabled yes
        cluster-node-timeout 1000
        repl-diskless-sync-delay 0
        tls-cluster yes
        tls-replication yes
        tls-auth-clients no
        tls-cert-file \(files.certificateFile)
        tls-key-file \(files.keyFile)
        tls-ca-cert-file \(files.caFile)
        user default off
        user admin on >\(Self.password) ~* &* +@all
        masteruser admin
        masterauth \(Self.password)
        """
      try configuration.write(
        toFile: place.configurationFile, atomically: true, encoding: .utf8)
      options.places.append(place)
    }
    return options
  }

  @Test("speaks TLS only, with a login, on its ports; and goes on with its data when it is made")
  func again() async throws {
    try await withTemporaryDirectory { directory in
      var options = try Self.options(in: directory)
      try await RedisFixture.withCluster(options) { cluster in
        let nodes = cluster.nodes
        #expect(nodes.map(\.tlsPort) == options.places.map(\.tlsPort))
        #expect(try await cluster.primaries().map(\.port) == nodes[..<3].map(\.port))
        #expect(try await nodes[0].command("CONFIG", "GET", "port").array?[1].string == "0")
        let files = try LocalCertificates.shared.serverFiles()
        let stranger = try await redisCLIOverTLS("PING", port: nodes[0].port, files: files).first
        #expect(stranger == "NOAUTH Authentication required.")
        // "foo" is in slot 12182, of the third node.
        try await nodes[2].command("SET", "foo", "value")
      }
      options.isMade = true
      try await RedisFixture.withCluster(options) { cluster in
        let owner = try await cluster.primary(of: 12182)
        #expect(try await owner.command("GET", "foo").string == "value")
        #expect(try await cluster.replicas(of: owner).count == 1)
      }
    }
  }
}
