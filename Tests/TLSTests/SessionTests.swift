import LocalCluster
import LocalRedis
import NIOCore
import Testing

@testable import TLS

@Suite("The cache of sessions")
struct SessionCacheTests {
  private let a = TLSPeer(host: "a", port: 1)
  private let b = TLSPeer(host: "a", port: 2)
  private let c = TLSPeer(host: "c", port: 1)

  @Test("gives a ticket of TLS 1.3 once, the newest first, and never to another server")
  func singleUse() {
    var cache = SessionCache<Int>(maximumPeers: 2, maximumSessionsPerPeer: 2)
    for session in 1...3 { cache.store(session, isSingleUse: true, for: a) }
    #expect(cache.take(for: b) == nil)
    #expect(cache.take(for: a) == 3)
    #expect(cache.take(for: a) == 2)
    #expect(cache.take(for: a) == nil)
  }

  @Test("gives a session of TLS 1.2 again until there is a newer one")
  func reusable() {
    var cache = SessionCache<Int>(maximumPeers: 2, maximumSessionsPerPeer: 2)
    for session in 1...3 { cache.store(session, isSingleUse: false, for: a) }
    #expect(cache.count(for: a) == 1)
    #expect(cache.take(for: a) == 3)
    #expect(cache.take(for: a) == 3)
    cache.store(4, isSingleUse: true, for: a)
    #expect(cache.take(for: a) == 4)
    #expect(cache.take(for: a) == nil)
  }

  @Test("forgets the server whose last session is the oldest")
  func manyPeers() {
    var cache = SessionCache<Int>(maximumPeers: 2, maximumSessionsPerPeer: 2)
    cache.store(1, isSingleUse: true, for: a)
    cache.store(2, isSingleUse: true, for: b)
    cache.store(3, isSingleUse: true, for: a)
    cache.store(4, isSingleUse: true, for: c)
    #expect(cache.take(for: b) == nil)
    #expect(cache.take(for: a) == 3)
    #expect(cache.take(for: c) == 4)
    cache.forget(a)
    #expect(cache.take(for: a) == nil)
  }
}

/// Against a real redis-server.
@Suite("A reconnect", .timeLimit(.minutes(20)))
struct SessionTests {
  private func visit(_ server: LocalRedisServer, _ context: TLSContext) async throws -> Bool {
    let client = try await Client.open(to: server.tlsPort!, context)
    let isResumed = try await client.isResumed
    // In TLS 1.3 the tickets come behind the handshake, before the answer.
    #expect(try await client.ask("PING") == "+PONG\r\n")
    try await client.channel.close()
    return isResumed
  }

  @Test(
    "has a short handshake", arguments: ["TLSv1.2", "TLSv1.3"], [TLSFiles.Clients.none, .required])
  func resumes(version: String, clients: TLSFiles.Clients) async throws {
    let context = try TLSContext(LocalCertificates.shared.identified)
    try await withRedis(clients: clients, protocols: version) { (server) async throws in
      #expect(try await !visit(server, context))
      for _ in 0..<5 { #expect(try await visit(server, context)) }
      let peer = TLSPeer(host: "localhost", port: server.tlsPort!)
      #expect(context.sessionCount(for: peer) <= TLSLimits.maximumSessionsPerPeer)

      // Another configuration is another context, with no session.
      let other = try TLSContext(LocalCertificates.shared.identified)
      #expect(try await !visit(server, other))
    }
  }

  @Test("has a short handshake after a connection that was cut", arguments: ["TLSv1.2", "TLSv1.3"])
  func resumesAfterCut(version: String) async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    try await withRedis(protocols: version) { (server) async throws in
      let client = try await Client.open(to: server.tlsPort!, context)
      #expect(try await client.ask("PING") == "+PONG\r\n")
      try await client.inLoop { _, wire in wire.cut() }
      await client.recorder.wait { $0.isInactive }
      #expect(try await visit(server, context))
    }
  }

  @Test("uses each ticket of TLS 1.3 once")
  func ticketsOnce() async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    try await withRedis(protocols: "TLSv1.3") { (server) async throws in
      let peer = TLSPeer(host: "localhost", port: server.tlsPort!)
      _ = try await visit(server, context)
      let tickets = context.sessionCount(for: peer)
      #expect(tickets > 0)
      var clients: [Client] = []
      var resumed = 0
      for _ in 0..<tickets + 2 {
        // Without reading, so that no new ticket comes.
        let client = try await Client.open(to: server.tlsPort!, context, autoRead: false)
        if try await client.isResumed { resumed += 1 }
        clients.append(client)
      }
      #expect(resumed == tickets)
      #expect(context.sessionCount(for: peer) == 0)
      for client in clients { try await client.channel.close() }
    }
  }

  @Test("has a full handshake when the server has forgotten", arguments: ["TLSv1.2", "TLSv1.3"])
  func restarted(version: String) async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    try await withRedis(protocols: version) { (server) async throws in
      #expect(try await !visit(server, context))
      try await server.restart()
      #expect(try await !visit(server, context))
      #expect(try await visit(server, context))
    }
  }
}
