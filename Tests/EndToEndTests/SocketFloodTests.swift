import ConnectBench
import ConnectProtocol
import ConnectTestStand
import Foundation
import LocalRedis
import TestSupport
import Testing

/// Idle TCP connections, more than a gateway has descriptors for.
@Suite("A flood of sockets")
struct SocketFloodTests {
  private static let descriptors = 256
  private static let connections = 400

  /// A program that starts `connect` with few descriptors.
  private func withLimitedConnect(_ body: (String) async throws -> Void) async throws {
    let script = """
      #!/bin/sh
      ulimit -n \(Self.descriptors)
      exec '\(Program.connectBesideTests)' "$@"

      """
    let file = try TemporaryFile(script.utf8, permissions: 0o700)
    defer { file.remove() }
    try await body(file.path)
  }

  private func answer(_ path: String, port: Int) async throws -> HTTPAnswer {
    // On a busy machine a request may come later than the port waits for it.
    try await eventually("\(path) is answered") {
      try? await HTTPAnswer.of(port: port, to: "GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
    }
  }

  private func number(_ name: String, port: Int) async throws -> Double {
    let page = try await self.answer("/metrics", port: port).body
    let line = try #require(page.split(separator: "\n").first { $0.hasPrefix(name + " ") })
    return try #require(Double(line.dropFirst(name.utf8.count + 1)))
  }

  /// Opens sockets, all at once, until no more are accepted. On a busy machine, those that said nothing may be
  /// closed before the last of them is.
  private func flood(_ gateway: Deployment.Instance) async throws -> [TestSocket] {
    let port = gateway.port
    func isPaused() -> Bool { gateway.program.errors.contains { $0.contains("listener.paused") } }
    var flood: [TestSocket] = []
    try await eventually("the port accepts no more", within: .seconds(120)) {
      flood += try await withThrowingTaskGroup { group in
        for _ in 0..<Self.connections {
          group.addTask { try await TestSocket.open(port: port) }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      return try await eventually(within: .seconds(10), isPaused)
    }
    return flood
  }

  /// The ids of all connections to a Redis but the one that asks.
  private func clients(of redis: LocalRedisServer) async throws -> [Int] {
    let list = try await redis.command("CLIENT", "LIST", "TYPE", "normal").string ?? ""
    return list.split(whereSeparator: \.isNewline).filter { !$0.contains("cmd=client") }
      .compactMap { Int($0.dropFirst(3).prefix { $0 != " " }) }
  }

  @Test(
    """
    leaves a gateway its Redis and its management port, makes it neither busy nor end, and \
    is forgotten when it is over
    """)
  func flood() async throws {
    try await self.withLimitedConnect { executable in
      var options = Deployment.Options(executable: executable)
      options.gateways = 1
      options.messaging = 0
      options.secret = Deployment.secret
      options.gatewayArguments = ["--management-listen", "127.0.0.1:0"]
      try await Deployment.with(options) { deployment in
        let gateway = deployment.gateways[0]
        let management = try Deployment.port(
          in: try await gateway.program.errorLine { $0.contains("management.listening") })
        func ready() async throws -> Bool {
          try await self.answer("/readyz", port: management).status == 200
        }
        try await eventually("it is ready", ready)

        let flood = try await self.flood(gateway)
        let sockets = #"connect_sockets{listener="gateway"}"#
        // A quarter of all is left alone; what one turn of the loop accepts may exceed that.
        #expect(try await self.number(sockets, port: management) <= 192 + 3)
        #expect(try await self.number("process_open_fds", port: management) < 240)

        let redis = try #require(deployment.redis.nodes.first)
        for _ in 0..<3 {
          let before = try await self.clients(of: redis)
          _ = try await redis.command("CLIENT", "KILL", "TYPE", "normal")
          try await eventually("connections to Redis are new") {
            let now = try await self.clients(of: redis)
            return now.count >= before.count && now.min()! > before.max()!
          }
          try await eventually("it is ready", ready)
        }
        // Each is an accept that had to be the last for a while. A loop that spins has tens of
        // thousands.
        let pauses = try await self.number(
          #"connect_accept_pauses_total{listener="gateway"}"#, port: management)
        #expect(pauses >= 1)
        #expect(pauses < 1_000)
        // Once until it accepts again, as it does between two floods.
        let errors = gateway.program.errors
        #expect(
          errors.count { $0.contains("listener.paused") }
            <= errors.count { $0.contains("listener.resumed") } + 1)

        for socket in flood { socket.close() }
        _ = try await gateway.program.errorLine { $0.contains("listener.resumed") }
        let token = try await deployment.token(for: try #require(UserName("alice")))
        let (alice, _) = try await TestSocket.upgrade(
          port: gateway.port, UpgradeRequest(token: token))
        try await alice.expectWelcome()
        alice.close()
        #expect(gateway.program.process.exitStatus == nil)
      }
    }
  }
}
