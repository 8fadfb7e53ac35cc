import LocalCluster
import LocalRedis
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import TLS

/// Against a real redis-server.
@Suite("A server that refuses", .timeLimit(.minutes(20)))
struct RefusalTests {
  /// The failure of a connection, in the handshake or at its first command. Tried often: in TLS 1.3
  /// the server's alert may be lost, when the command meets a socket that the server has closed.
  private func failures(
    _ server: LocalRedisServer, _ configuration: TLSConfiguration, times: Int = 30
  ) async throws -> Set<TLSFailure> {
    let context = try TLSContext(configuration)
    var failures: Set<TLSFailure> = []
    for _ in 0..<times {
      do {
        let client = try await Client.connect(to: server.tlsPort!, context)
        try await client.ready.get()
        client.channel.writeAndFlush(ByteBuffer(string: "PING\r\n"), promise: nil)
        let state = await client.recorder.wait { !$0.errors.isEmpty }
        guard case .connection(_, let failure) = state.errors.first else {
          Issue.record("no TLSError, but \(state.text)")
          continue
        }
        failures.insert(failure)
      } catch let TLSError.connection(_, failure) {
        failures.insert(failure)
      } catch is NIOConnectionError {
        // A busy machine has only now come to connect, and the server has done with it already. The
        // other times tell.
      }
    }
    return failures
  }

  @Test("takes a client with the right certificate", arguments: ["TLSv1.2", "TLSv1.3"])
  func rightCertificate(version: String) async throws {
    let context = try TLSContext(LocalCertificates.shared.identified)
    try await withRedis(clients: .required, protocols: version) { (server) async throws in
      let client = try await Client.open(to: server.tlsPort!, context)
      #expect(try await client.ask("PING") == "+PONG\r\n")
      #expect(try await client.inLoop { handler, _ in handler.protocolVersion } == version)
      try await client.channel.close()
    }
  }

  @Test("says that a client certificate is missing", arguments: ["TLSv1.2", "TLSv1.3"])
  func missingCertificate(version: String) async throws {
    let configuration = try LocalCertificates.shared.trusting
    try await withRedis(clients: .required, protocols: version) { (server) async throws in
      #expect(try await failures(server, configuration) == [.clientCertificateMissing])
    }
  }

  @Test("may ask for a client certificate and do without")
  func optionalCertificate() async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    try await withRedis(clients: .optional) { (server) async throws in
      let client = try await Client.open(to: server.tlsPort!, context)
      #expect(try await client.ask("PING") == "+PONG\r\n")
      try await client.inLoop { _, wire in wire.cut() }
      let state = await client.recorder.wait { $0.isInactive }
      // It has answered, so it was not for the certificate.
      #expect(state.errors.map(\.failure) == [.truncated(anythingReceived: true, cause: nil)])
    }
  }

  @Test(
    "says that the client certificate is of another authority", arguments: ["TLSv1.2", "TLSv1.3"])
  func otherCertificate(version: String) async throws {
    let certificates = try LocalCertificates.shared
    var configuration = certificates.trusting
    configuration.certificateFile = certificates.otherClientCertificateFile
    configuration.keyFile = certificates.otherClientKeyFile
    try await withRedis(clients: .required, protocols: version) { (server) async throws in
      for failure in try await failures(server, configuration) {
        switch failure {
        case .clientCertificateRefused: break
        // The alert is lost when our command comes too late.
        case .truncated(anythingReceived: false, _) where version == "TLSv1.3": break
        default: Issue.record("\(failure)")
        }
      }
    }
  }

  @Test("has no version in common")
  func protocolVersion() async throws {
    let configuration = try LocalCertificates.shared.trusting
    try await withRedis(
      protocols: "TLSv1.1", extra: ["--tls-ciphers", "DEFAULT@SECLEVEL=0"]
    ) { (server) async throws in
      #expect(try await Client.failure(to: server.tlsPort!, configuration) == .protocolVersion)
    }
  }

  @Test("does not speak TLS")
  func plain() async throws {
    let configuration = try LocalCertificates.shared.trusting
    try await FakeServer.run(answer: { _ in .text("-ERR Protocol error\r\n") }) {
      (server) async throws in
      #expect(try await Client.failure(to: server.port, configuration) == .notTLS)
    }
    #expect("\(TLSFailure.notTLS)".contains("use redis://"))
  }

  @Test("is silent, until our side closes")
  func silent() async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    let redis = try await LocalRedisServer.start()
    let client = try await Client.connect(to: redis.port, context)
    let write = client.channel.eventLoop.makePromise(of: Void.self)
    client.channel.writeAndFlush(ByteBuffer(string: "PING\r\n"), promise: write)
    try await client.channel.close()
    let expected = TLSError.connection(
      TLSPeer(host: "localhost", port: redis.port),
      .closedDuringHandshake(answered: false, cause: nil))
    await #expect(throws: expected) { try await client.ready.get() }
    await #expect(throws: expected) { try await write.futureResult.get() }
    // It was our own doing, so there is nothing to report.
    #expect(client.recorder.now.errors.isEmpty)
    await redis.stop()
  }

  @Test("closes during the handshake")
  func closes() async throws {
    let configuration = try LocalCertificates.shared.trusting
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in channel.close() }
      .bind(host: "127.0.0.1", port: 0).get()
    let failure = try await Client.failure(to: listener.localAddress!.port!, configuration)
    guard case .closedDuringHandshake(answered: false, _) = failure else {
      Issue.record("\(String(describing: failure))")
      return
    }
    try await listener.close()
  }
}

/// Answers whatever comes as a Redis answers what is not a command.
private final class PlainServer: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    context.writeAndFlush(NIOAny(ByteBuffer(string: "-ERR Protocol error\r\n")), promise: nil)
  }
}

extension TLSError {
  var failure: TLSFailure? { if case .connection(_, let failure) = self { failure } else { nil } }
}
