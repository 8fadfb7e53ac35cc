import Foundation
import LocalCluster
import LocalRedis
import NIOCore
import NIOEmbedded
import Testing

@testable import TLS

/// Against a real redis-server.
@Suite("The server's certificate", .timeLimit(.minutes(20)))
struct VerificationTests {
  @Test("is accepted by name and by address", arguments: ["localhost", "localhost.", "127.0.0.1"])
  func accepted(host: String) async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    try await withRedis { (server) async throws in
      let client = try await Client.open(to: server.tlsPort!, host: host, context)
      #expect(try await client.ask("PING") == "+PONG\r\n")
      try await client.channel.close()
      #expect(client.recorder.now.errors.isEmpty)
    }
  }

  @Test("is refused when another authority has signed it")
  func otherAuthority() async throws {
    let other = try LocalCertificates.shared.otherCAFile
    try await withRedis { (server) async throws in
      for trust in [TLSConfiguration.Trust.file(other), .system] {
        let failure = try await Client.failure(to: server.tlsPort!, TLSConfiguration(trust: trust))
        guard case .unknownAuthority(let issuer, _) = failure else {
          Issue.record("\(String(describing: failure))")
          continue
        }
        #expect(issuer == "CN = Connect local CA")
      }
    }
  }

  @Test("is refused when it has expired, or is not valid yet")
  func dates() async throws {
    let configuration = try LocalCertificates.shared.trusting
    try await withRedis(certificate: .expired) { (server) async throws in
      #expect(
        try await Client.failure(to: server.tlsPort!, configuration)
          == .expired(subject: "CN = localhost", since: "Feb  1 00:00:00 2020 GMT"))
    }
    try await withRedis(certificate: .notYetValid) { (server) async throws in
      #expect(
        try await Client.failure(to: server.tlsPort!, configuration)
          == .notYetValid(subject: "CN = localhost", until: "Jan  1 00:00:00 2049 GMT"))
    }
  }

  @Test("is refused when it is for another host, and the error says for which")
  func otherHost() async throws {
    let configuration = try LocalCertificates.shared.trusting
    try await withRedis(certificate: .wrongHost) { (server) async throws in
      for host in ["localhost", "127.0.0.1", "edis.example", "a.redis.example"] {
        #expect(
          try await Client.failure(to: server.tlsPort!, host: host, configuration)
            == .wrongHost(names: "DNS:redis.example, IP Address:192.0.2.1"))
      }
      #expect(
        try await Client.failure(to: server.tlsPort!, host: "redis.example", configuration) == nil)
      #expect(
        try await Client.failure(to: server.tlsPort!, host: "192.0.2.1", configuration) == nil)
    }
  }

  @Test("is refused when only its subject has the name")
  func nameless() async throws {
    let configuration = try LocalCertificates.shared.trusting
    try await withRedis(certificate: .nameless) { (server) async throws in
      #expect(try await Client.failure(to: server.tlsPort!, configuration) == .wrongHost(names: ""))
    }
  }

  @Test(
    "is not looked at when anybody is trusted",
    arguments: [LocalCertificates.ServerCertificate.expired, .wrongHost, .nameless])
  func anybody(certificate: LocalCertificates.ServerCertificate) async throws {
    try await withRedis(certificate: certificate) { (server) async throws in
      #expect(
        try await Client.failure(to: server.tlsPort!, TLSConfiguration(trust: .anybody)) == nil)
    }
  }

  @Test("is accepted when an authority of the system has signed it")
  func system() async {
    // In a process of its own, since what the system trusts is told by the environment.
    await #expect(processExitsWith: .success) {
      let certificates = try LocalCertificates.shared
      setenv("SSL_CERT_FILE", certificates.caFile, 1)
      try await withRedis { (server) async throws in
        try #require(await Client.failure(to: server.tlsPort!, TLSConfiguration()) == nil)
        try #require(
          await Client.failure(to: server.tlsPort!, host: "other.example", TLSConfiguration())
            != nil)
      }
    }
  }

  @Test("cannot be for a host that is none", arguments: ["", ".", "a\0b"])
  func invalidHost(host: String) throws {
    let harness = try Embedded(host: host)
    #expect(harness.failure == .connection(TLSPeer(host: host, port: 1), .invalidHost))
    #expect(try harness.takeOutbound().isEmpty)
  }

  @Test("is asked for by name, and never by address")
  func serverName() throws {
    #expect(try Embedded(host: "redis.example.").outboundText().contains("redis.example\0"))
    #expect(try !Embedded(host: "192.0.2.77").outboundText().contains("192.0.2.77"))
    #expect(try !Embedded(host: "::1").outboundText().contains("::1"))
  }
}
