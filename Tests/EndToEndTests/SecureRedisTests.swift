import ConnectBench
import Foundation
import LocalCluster
import LocalRedis
import MessageBus
import TestSupport
import Testing

/// Errors for wrong TLS or rights: one line that says what to do.
@Suite("A Redis that cannot be reached as it is meant")
struct SecureRedisTests {
  private struct Outcome {
    let code: Int32
    let error: String
    let seconds: Double
  }

  /// Asks Redis once, as `connect inspect` does.
  private func inspect(
    _ url: String, _ environment: [String: String] = [:]
  ) async throws -> Outcome {
    let start = ContinuousClock.now
    let program = try Program(["inspect", "--redis-url", url], environment: environment)
    let code = try await program.exitCode()
    #expect(program.errors.count == 1, "one line: \(program.errors)")
    return Outcome(
      code: code, error: program.errors.last ?? "",
      seconds: start.duration(to: .now) / .seconds(1))
  }

  private func withServer(
    _ certificate: LocalCertificates.ServerCertificate = .valid, clients: TLSFiles.Clients = .none,
    users: [String] = [],
    _ body: (LocalRedisServer, LocalCertificates) async throws -> Void
  ) async throws {
    let certificates = try LocalCertificates.shared
    let tls = certificates.serverFiles(certificate, clients: clients)
    try await RedisFixture.withServer(tls: tls, users: users) { try await body($0, certificates) }
  }

  enum Fault: String, CaseIterable {
    case unknownAuthority, expired, notYetValid, wrongHost, missingClientCertificate
  }

  @Test("because of certificates: each fault is named, with what to do", arguments: Fault.allCases)
  func certificates(fault: Fault) async throws {
    let certificate: LocalCertificates.ServerCertificate =
      switch fault {
      case .expired: .expired
      case .notYetValid: .notYetValid
      case .wrongHost: .wrongHost
      default: .valid
      }
    let clients: TLSFiles.Clients = fault == .missingClientCertificate ? .required : .none
    try await self.withServer(certificate, clients: clients) { server, files in
      let url = try #require(server.tlsURL)
      let authority = fault == .unknownAuthority ? files.otherCAFile : files.caFile
      let outcome = try await self.inspect(url, ["CONNECT_REDIS_CA_FILE": authority])
      let words =
        switch fault {
        case .unknownAuthority: "not among the authorities"
        case .expired: "expired on"
        case .notYetValid: "not valid before"
        case .wrongHost: "redis.example"
        case .missingClientCertificate: "client certificate"
        }
      #expect(outcome.error.contains(words), "\(outcome.error)")
      #expect(!outcome.error.contains("start Redis"), "\(outcome.error)")
      #expect(outcome.error.contains("localhost:\(server.tlsPort ?? 0)"), "\(outcome.error)")
      #expect(outcome.code == 69)
      guard fault == .missingClientCertificate else { return }
      let fixed = try await Program(
        ["inspect", "--redis-url", url],
        environment: [
          "CONNECT_REDIS_CA_FILE": files.caFile,
          "CONNECT_REDIS_CERT_FILE": files.clientCertificateFile,
          "CONNECT_REDIS_KEY_FILE": files.clientKeyFile,
        ]
      ).exitCode()
      #expect(fixed == 0)
    }
  }

  @Test("because one side speaks TLS and the other does not: within the deadline")
  func plainAndTLS() async throws {
    try await self.withServer { server, files in
      let ca = ["CONNECT_REDIS_CA_FILE": files.caFile]
      let toPlain = try await self.inspect("rediss://localhost:\(server.port)", ca)
      #expect(toPlain.error.contains("redis://"), "\(toPlain.error)")
      #expect(toPlain.code == 69)
      let toTLS = try await self.inspect("redis://localhost:\(server.tlsPort ?? 0)")
      #expect(toTLS.error.contains("rediss://"), "\(toTLS.error)")
      #expect(toTLS.code == 69)
      // The deadline is 5 s; the rest is for a machine that is busy many times over.
      #expect(max(toPlain.seconds, toTLS.seconds) < 60)
    }
  }

  @Test("not so with any certificate, where that was asked for; a service warns")
  func insecure() async throws {
    try await self.withServer(.wrongHost) { server, _ in
      let program = try Program([
        "messaging", "--redis-url", server.tlsURL ?? "", "--redis-tls-insecure",
        "--management-listen", "off",
      ])
      _ = try await program.errorLine { $0.contains("messaging.started") }
      #expect(program.errors.contains { $0.contains("redis.tls_insecure") })
      await program.process.terminate(grace: .seconds(10))
    }
  }

  @Test("because it is a cluster and taken for one server, or the reverse: exit code 64")
  func otherMode() async throws {
    // Not the one that has the first key that is asked for.
    let node = try await SharedRedis.cluster().nodes[1]
    let single = try await self.inspect(node.url, ["CONNECT_REDIS_MODE": "single"])
    #expect(single.code == 64)
    #expect(single.error.contains("leave --redis-mode at auto"), "\(single.error)")
    let server = try await SharedRedis.server()
    let cluster = try await self.inspect(server.url, ["CONNECT_REDIS_MODE": "cluster"])
    #expect(cluster.code == 64)
    #expect(cluster.error.contains("no cluster"), "\(cluster.error)")
  }

  @Test("because the user lacks rights: exit code 77, and which")
  func rights() async throws {
    let rights = AccessRights.services()
    let users = [
      "keys on >secret " + AccessRights.services(prefix: "other:").joined(separator: " "),
      "cluster on >secret " + rights.filter { $0 != "+cluster|slots" }.joined(separator: " "),
    ]
    try await self.withServer(users: users) { server, files in
      for (user, words) in [("keys", "connect:partitions"), ("cluster", "cluster|slots")] {
        let program = try Program(
          ["messaging", "--redis-url", server.tlsURL ?? "", "--management-listen", "off"],
          environment: [
            "CONNECT_REDIS_CA_FILE": files.caFile, "CONNECT_REDIS_USER": user,
            "CONNECT_REDIS_PASSWORD": "secret",
          ])
        #expect(try await program.exitCode() == 77, "\(program.errors)")
        #expect(program.errors.last?.contains(words) == true, "\(program.errors)")
        #expect(program.errors.last?.contains("Redis.md#Rights") == true)
      }
    }
  }
}
