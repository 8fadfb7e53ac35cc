import LocalCluster
import LocalRedis
import NIOCore
import TLS
import TestSupport
import Testing

@testable import Redis

@Suite("With TLS, a client", .timeLimit(.minutes(20)))
struct ClusterTLSTests {
  /// Connects, and returns the error and how long it took.
  private func failure(
    _ url: String, mode: RedisMode = .auto, trust: TLSConfiguration.Trust = .system
  ) async throws -> (words: String, milliseconds: Int64) {
    let start = NIODeadline.now()
    do {
      try await withFactory(url, mode: mode, tls: TLSConfiguration(trust: trust)) { _ in }
      Issue.record("connected")
      return ("", 0)
    } catch let error as RedisError {
      return (error.description, (NIODeadline.now() - start).nanoseconds / 1_000_000)
    }
  }

  @Test(
    "reaches a cluster, and is redirected to ports that speak TLS, by address or by name",
    arguments: [nil, "localhost"])
  func cluster(hostname: String?) async throws {
    let certificates = try LocalCertificates.shared
    var options = LocalRedisCluster.Options()
    options.tls = certificates.serverFiles()
    options.announcesHostname = hostname
    options.users = ["app on >secret ~* &* +@all"]
    try await RedisFixture.withCluster(options) { cluster in
      let nodes = cluster.nodes
      // One node only: the others are those that it names.
      let url = "rediss://app:secret@localhost:\(try #require(nodes[0].tlsPort))"
      let tls = TLSConfiguration(trust: .file(certificates.caFile))
      try await withFactory(url, tls: tls) { factory in
        try await factory.withClient { client in
          let itself = try #require(client as? ClusterClient)
          let slot = try await cluster.slot(of: nodes[0])
          let keys = (0..<5).map { key(in: slot, "tls:\($0)") }
          let writer = NumberWriter(client, keys: keys + (0..<5).map { RedisKey("tls:\($0)") })
          let report = try await writer.run {
            try await writer.progress()
            try await cluster.migrate(slot: slot.number, to: nodes[2], keysPerStep: 1) {
              try await writer.progress()
            }
            try await writer.progress()
          }
          #expect(try await writer.check(report) == [])
          #expect(report.isAllAcknowledged, "\(report.errors)")
          let host = hostname ?? "127.0.0.1"
          #expect(
            try await itself.addresses()
              == Set(nodes.compactMap(\.tlsPort).map { RedisAddress(host: host, port: $0) }))
        }
      }
      let wrongTrust = try await failure(url, trust: .file(certificates.otherCAFile))
      #expect(wrongTrust.words.contains("certificate"))
    }
  }

  @Test("and one without, each say what is wrong at a port of the other kind, within the limit")
  func otherKind() async throws {
    let certificates = try LocalCertificates.shared
    let server = try await LocalRedisServer.start(
      LocalRedisServer.Options(tls: certificates.serverFiles()))
    // Without a deadline it would hang for ever; all beyond that is for a busy machine.
    let limit = 6 * RedisLimits.connectTimeoutMilliseconds
    do {
      let tlsPort = try #require(server.tlsPort)
      for mode in [RedisMode.auto, .single] {
        let plain = try await failure("redis://127.0.0.1:\(tlsPort)", mode: mode)
        #expect(plain.words.contains("rediss://"), "\(plain.words)")
        #expect(plain.milliseconds < limit)
        let secure = try await failure(
          "rediss://127.0.0.1:\(server.port)", mode: mode, trust: .file(certificates.caFile))
        #expect(secure.words.contains("TLS"), "\(secure.words)")
        #expect(secure.milliseconds < limit)
      }
    } catch {
      await server.stop()
      throw error
    }
    await server.stop()
  }
}
