import ConnectBench
import ConnectProtocol
import ConnectTestStand
import Foundation
import MessageBus
import ServiceMetrics
import TestSupport
import Testing

/// The metrics of running services, against what was really sent.
@Suite("Metrics of the services")
struct MetricsTests {
  private struct Bench: Decodable {
    let soundness: Benchmark.Soundness
    let delivered: Int
  }

  private func port(of program: Program) async throws -> Int {
    try Deployment.port(
      in: try await program.errorLine { $0.contains("management.listening") })
  }

  /// Runs a test with one gateway and one messaging instance, each with a management port.
  private func withServices(
    _ change: (inout Deployment.Options) -> Void = { _ in },
    _ body: (Deployment) async throws -> Void
  ) async throws {
    var options = Deployment.Options(executable: Program.connectBesideTests)
    options.gateways = 1
    options.messaging = 1
    options.redis = .tested
    options.secret = Deployment.secret
    options.gatewayArguments = ["--management-listen", "127.0.0.1:0"]
    options.messagingArguments = options.gatewayArguments
    change(&options)
    try await Deployment.with(options, body)
  }

  /// The lines of `/metrics`.
  private func lines(_ port: Int) async throws -> [Substring] {
    // On a busy machine a request may come later than the port waits for it.
    let answer = try await eventually("the page is read") {
      try? await HTTPAnswer.of(
        port: port, to: "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    }
    #expect(answer.status == 200)
    #expect(answer["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
    return answer.body.split(separator: "\n")
  }

  /// The numbers of `/metrics`, by name with labels.
  private func page(_ port: Int) async throws -> [String: Double] {
    let lines = try await self.lines(port).filter { !$0.hasPrefix("#") }
    return try Dictionary(
      uniqueKeysWithValues: lines.map { line in
        let end = try #require(line.lastIndex(of: " "))
        return (String(line[..<end]), try #require(Double(line[line.index(after: end)...])))
      })
  }

  /// The sums of what a service has told CloudWatch.
  private func sums(_ program: Program) throws -> [String: Int] {
    var sums: [String: Int] = [:]
    for line in program.output {
      let object = try #require(
        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
      for (name, value) in object {
        if let value = value as? Int { sums[name, default: 0] += value }
      }
    }
    return sums
  }

  @Test("Both services count what was sent, and tell Prometheus and CloudWatch the same")
  func counts() async throws {
    try await self.withServices {
      $0.gatewayArguments += ["--metrics-log", "emf", "--metrics-log-seconds", "1"]
      $0.messagingArguments = $0.gatewayArguments
    } _: { deployment in
      let gateway = deployment.gateways[0]
      let messaging = deployment.messaging[0]
      let ports = try await (self.port(of: gateway.program), self.port(of: messaging.program))

      let bench = try Program([
        "connect-bench", "chat", "--url", "ws://127.0.0.1:\(gateway.port)", "--connections", "4",
        "--rate",
        "50", "--seconds", "1", "--json",
      ])
      #expect(try await bench.exitCode() == 0, "\(bench.errors)")
      let sent = try JSONDecoder().decode(
        Bench.self, from: Data(bench.output.joined(separator: "\n").utf8))
      try #require(sent.soundness.accepted > 0)

      let seen = try await self.page(ports.0)
      #expect(seen["connect_accepted_total"] == Double(sent.soundness.accepted))
      #expect(seen["connect_accept_seconds_count"] == Double(sent.soundness.accepted))
      #expect(seen["connect_delivered_total"] == Double(sent.delivered))
      // A clock that is ahead of Redis's makes no time negative.
      #expect(seen["connect_deliver_seconds_count"]! <= Double(sent.delivered))
      #expect(seen["connect_redis_seconds_count"]! > 0)
      #expect(seen["connect_rejected_total{code=\"unavailable\"}"] == 0)
      try await eventually("the connections end") {
        try await self.page(ports.0)["connect_connections"] == 0
      }

      // Looked at every 10 s, perhaps while messages were under way.
      let stored = try await eventually("the lag is looked at, and nothing is behind") {
        let page = try await self.page(ports.1)
        let isIdle =
          page["connect_lag_entries{partition=\"0\"}"] == 0
          && page["connect_pending_entries{partition=\"0\"}"] == 0
        return isIdle && page["connect_lag_entries{partition=\"15\"}"] != nil ? page : nil
      }
      #expect(stored["connect_stored_total"] == Double(sent.soundness.accepted))
      #expect(stored["connect_leases"] == 16)
      #expect(stored["connect_partitions_unowned"] == 0)
      #expect(stored["connect_repeats_total{kind=\"bus\"}"] == 0)

      for instance in [gateway, messaging] {
        instance.program.process.signal(SIGTERM)
        #expect(try await instance.program.exitCode() == 0)
      }
      #expect(try self.sums(gateway.program)["Accepted"] == sent.soundness.accepted)
      #expect(try self.sums(gateway.program)["Delivered"] == sent.delivered)
      #expect(try self.sums(messaging.program)["Stored"] == sent.soundness.accepted)
    }
  }

  @Test("Every metric of the services has a help text and a type, and each text a metric")
  func heads() async throws {
    let token = try TemporaryFile(String(repeating: "t", count: 32).utf8)
    defer { token.remove() }
    try await self.withServices {
      $0.messagingArguments += [
        "--api-listen", "127.0.0.1:0", "--service-token-file", token.path,
      ]
    } _: { deployment in
      let messaging = deployment.messaging[0].program
      let ports = try await (
        self.port(of: deployment.gateways[0].program), self.port(of: messaging)
      )
      let api = try Deployment.port(
        in: try await messaging.errorLine { $0.contains("api.listening") })
      let request = try await TestSocket.open(port: api)
      request.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(try await request.readHead().status == 200)
      try await eventually("the lag is looked at") {
        try await self.page(ports.1)["connect_lag_entries{partition=\"0\"}"] != nil
      }
      var known: Set<String> = []
      for port in [ports.0, ports.1] {
        let lines = try await self.lines(port)
        #expect(lines.contains("connect_build_info{version=\"\(ConnectVersion.text)\"} 1"))
        known.formUnion(try self.families(lines))
      }
      #if os(Linux)
        #expect(known == Set(MetricHelp.texts.keys))
      #endif
    }
  }

  /// The names of all metrics of a page, each of which has its two lines before its samples.
  private func families(_ lines: [Substring]) throws -> Set<String> {
    var names: Set<String> = []
    var helped: Substring?
    var typed: (name: Substring, isHistogram: Bool) = ("", false)
    for line in lines {
      let words = line.split(separator: " ")
      switch words.prefix(2) {
      case ["#", "HELP"]:
        #expect(words.count > 3, "no text: \(line)")
        helped = words[2]
      case ["#", "TYPE"]:
        #expect(helped == words[2], "no help: \(line)")
        #expect(names.insert(String(words[2])).inserted, "a second time: \(line)")
        #expect(words[2].hasSuffix("_total") == (words[3] == "counter"), "\(line)")
        typed = (words[2], words[3] == "histogram")
      default:
        let name = line.prefix { $0 != "{" && $0 != " " }
        let endings = typed.isHistogram ? ["_bucket", "_sum", "_count"] : [""]
        #expect(endings.contains { typed.name + $0 == name }, "without a head: \(line)")
      }
    }
    return names
  }

  @Test("An outage of Redis shows, and so do requests that are refused")
  func outage() async throws {
    try await self.withServices {
      $0.redis = .plain
      $0.messagingArguments += ["--lease-seconds", "1"]
    } _: { deployment in
      let gateway = deployment.gateways[0]
      let ports = try await (
        self.port(of: gateway.program), self.port(of: deployment.messaging[0].program)
      )
      try await eventually("there are leases") {
        try await self.page(ports.1)["connect_leases"] == 16
      }
      for path in ["/v1/connect", "/nothing"] {
        let socket = try await TestSocket.open(port: gateway.port)
        socket.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
        _ = try await socket.readHead()
      }
      let refused = try await self.page(ports.0)
      #expect(refused["connect_refused_total{code=\"upgrade_required\"}"] == 1)
      #expect(refused["connect_refused_total{code=\"not_found\"}"] == 1)

      await deployment.redis.kill()
      for port in [ports.0, ports.1] {
        try await eventually("errors of Redis are counted") {
          let page = try await self.page(port)
          return page["connect_redis_errors_total{kind=\"unavailable\"}"]! > 0
        }
      }
      try await eventually("the leases end") {
        try await self.page(ports.1)["connect_leases"] == 0
      }
    }
  }

  @Test("One request has one token verified, once, whatever its headers say")
  func oneVerification() async throws {
    try await self.withServices {
      $0.messaging = 0
    } _: { deployment in
      let gateway = deployment.gateways[0]
      let management = try await self.port(of: gateway.program)
      try await eventually("it is ready") {
        let socket = try await TestSocket.open(port: management)
        socket.send("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return try await socket.readHead().status == 200
      }
      let token = try await deployment.token(for: UserName("alice")!)
      let many = Array(repeating: "websocket", count: 1_500).joined(separator: ",")
      let offers = (0..<500).map { "connect.bearer.x\($0)" }.joined(separator: ", ")
      func request(_ change: (inout UpgradeRequest) -> Void) -> UpgradeRequest {
        var request = UpgradeRequest(token: "x.y.z")
        change(&request)
        return request
      }
      let refused = [
        request { $0["Upgrade"] = many },
        request { $0.headers += Array(repeating: ("Upgrade", "websocket"), count: 80) },
        request { $0.headers += Array(repeating: ("Authorization", "Bearer a.b.c"), count: 80) },
        request {
          $0["Authorization"] = nil
          $0["Sec-WebSocket-Protocol"] = "connect.v1.json, \(offers)"
        },
        request {
          $0["Upgrade"] = many
          $0["Authorization"] = "Bearer \(token)x"
        },
      ]
      // Two tokens in Authorization are refused without a look at either.
      let checks = [1, 2, 2, 3, 4]
      for (number, request) in refused.enumerated() {
        let socket = try await TestSocket.open(port: gateway.port)
        socket.send(request.text)
        #expect(try await socket.readHead().status == 401)
        let page = try await self.page(management)
        #expect(page["connect_token_checks_total"] == Double(checks[number]))
        #expect(page["connect_refused_total{code=\"unauthorized\"}"] == Double(number + 1))
      }
      let (alice, _) = try await TestSocket.upgrade(
        port: gateway.port,
        request {
          $0["Upgrade"] = "h2c, websocket, websocket"
          $0["Authorization"] = "Bearer \(token)"
        })
      try await alice.expectWelcome()
      alice.close()
      #expect(
        try await self.page(management)["connect_token_checks_total"] == Double(checks[4] + 1))
    }
  }

  @Test("connect health says with its exit code whether a service is well")
  func health() async throws {
    try await self.withServices {
      $0.gateways = 0
    } _: { deployment in
      let port = try await self.port(of: deployment.messaging[0].program)
      try await eventually("it is ready") {
        try await Program(["health", "http://127.0.0.1:\(port)/readyz"]).exitCode() == 0
      }
      let wrong = try Program(["health", "http://127.0.0.1:\(port)/nothing", "--timeout", "60"])
      #expect(try await wrong.exitCode() == 1)
      #expect(wrong.errors.last?.contains("404") == true)
      await deployment.kill(deployment.messaging[0])
      let gone = try Program(["health", "http://127.0.0.1:\(port)/healthz"])
      #expect(try await gone.exitCode() == 1)
      #expect(gone.errors.count == 1)
      let usage = try Program(["health", "127.0.0.1"])
      #expect(try await usage.exitCode() == 64)
    }
  }
}
