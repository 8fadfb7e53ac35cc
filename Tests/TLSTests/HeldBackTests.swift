import LocalCluster
import LocalRedis
import NIOCore
import NIOEmbedded
import Testing

@testable import TLS

@Suite("What is written before the handshake is done", .timeLimit(.minutes(20)))
struct HeldBackTests {
  @Test("stays here, and fails with the connection when it is too much")
  func limit() throws {
    let harness = try Embedded(connects: false)
    var outcomes: [String] = []
    func write(_ name: String, bytes: Int) {
      let promise = harness.channel.eventLoop.makePromise(of: Void.self)
      promise.futureResult.assumeIsolated().whenComplete { result in
        if case .failure(let error) = result { outcomes.append("\(name): \(error)") }
      }
      harness.channel.writeAndFlush(
        ByteBuffer(repeating: 0x58, count: bytes), promise: promise)
    }
    write("early", bytes: 1)
    try harness.connect()
    write("filling", bytes: TLSLimits.maximumHeldBackBytes - 1)
    #expect(outcomes.isEmpty && harness.channel.isActive)
    write("overflowing", bytes: 1)
    let error = TLSError.connection(
      TLSPeer(host: "localhost", port: 1),
      .heldBackTooMuch(limitBytes: TLSLimits.maximumHeldBackBytes))
    #expect(harness.failure == error)
    #expect(outcomes == ["early", "filling", "overflowing"].map { "\($0): \(error)" })
    #expect(!harness.channel.isActive)
    #expect(harness.recorder.now.errors == [error])
    // Longer than what the random bytes of a handshake may have in a row.
    #expect(try !harness.outboundText().contains(String(repeating: "X", count: 8)))

    write("late", bytes: 1)
    #expect(outcomes.last == "late: \(ChannelError.ioOnClosedChannel)")
  }

  @Test("leaves in order once the handshake is done")
  func released() async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    try await withRedis { (server) async throws in
      let client = try await Client.connect(to: server.tlsPort!, context)
      for number in 0..<5 {
        client.channel.write(ByteBuffer(string: "ECHO \(number)\r\n"), promise: nil)
      }
      client.channel.flush()
      try await client.ready.get()
      try await client.send("ECHO 5\r\n")
      let state = await client.recorder.wait { $0.text.hasSuffix("5\r\n") }
      #expect(state.text == (0...5).map { "$1\r\n\($0)\r\n" }.joined())
      try await client.channel.close()
    }
  }

  @Test("never reaches a server that is not the right one")
  func refused() async throws {
    let certificates = try LocalCertificates.shared
    let context = try TLSContext(certificates.trusting)
    try await withRedis(certificate: .wrongHost) { (server) async throws in
      for _ in 0..<20 {
        let client = try await Client.connect(to: server.tlsPort!, context)
        // With the handshake, or since that has failed already.
        await #expect(throws: (any Error).self) { try await client.send("SET secret 1\r\n") }
        await #expect(throws: TLSError.self) { try await client.ready.get() }
      }
      let right = try await Client.open(to: server.tlsPort!, host: "redis.example", context)
      let statistics = try await right.ask("INFO commandstats", until: "\r\n\r\n")
      #expect(!statistics.contains("cmdstat_set"))
      try await right.channel.close()
    }
  }
}
