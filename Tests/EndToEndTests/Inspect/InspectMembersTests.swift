import LocalRedis
import Testing

@Suite("connect inspect of partitions and gateways")
struct InspectMembersTests {
  @Test("partitions shows who owns what, for how long, and who is gone")
  func partitions() async throws {
    try await Inspection.withRedis { server in
      try await server.command("SET", "connect:lease:{p0.1}", "messaging-1:nonce", "PX", "600000")
      try await server.command("SADD", "connect:messaging", "messaging-1", "messaging-2")
      try await server.command(
        "HSET", "connect:messaging:{messaging-1}", "started", "1", "host", "node-a", "pid", "42")
      try await server.command("PEXPIRE", "connect:messaging:{messaging-1}", "600000")
      for _ in 0..<3 { try await server.command("XADD", Inspection.incoming, "*", "m", "x") }

      let report = try await Inspection.of("partitions", "--json", redis: server.url)
        .json(Inspection.Partitions.self)
      #expect(report.partitions.map(\.owner) == ["messaging-1", nil])
      #expect(report.partitions.map(\.backlog) == [3, 0])
      #expect(try (1...600_000).contains(#require(report.partitions[0].leaseMilliseconds)))
      #expect(report.messaging.map(\.instance) == ["messaging-1", "messaging-2"])
      #expect(report.messaging.map(\.isAlive) == [true, false])
      #expect(report.messaging.map(\.partitions) == [1, 0])
      #expect(report.messaging[0].fields["host"] == "node-a")

      let table = try await Inspection.of("partitions", redis: server.url)
      #expect(table.text.contains("messaging-1"))
      #expect(table.text.contains("(none)"))
    }
  }

  @Test("gateways tells those whose stream is there from those that are gone")
  func gateways() async throws {
    try await Inspection.withRedis { server in
      try await server.command("SADD", "connect:gateways", "g1", "g2")
      try await server.command(
        "HSET", "connect:gateway:{g1}", "address", "10.0.0.1:8080", "connections", "7")
      try await server.command("XADD", "connect:outgoing:{g1}", "*", "m", "x")
      let report = try await Inspection.of("gateways", "--json", redis: server.url)
        .json(Inspection.Gateways.self)
      #expect(report.total == 2)
      #expect(report.gateways.map(\.gateway) == ["g1", "g2"])
      #expect(report.gateways.map(\.isAlive) == [true, false])
      #expect(report.gateways.map(\.length) == [1, 0])
      #expect(report.gateways[0].fields["address"] == "10.0.0.1:8080")

      let table = try await Inspection.of("gateways", redis: server.url)
      #expect(table.text.contains("10.0.0.1:8080"))
      let overview = try await Inspection.of(redis: server.url)
      #expect(overview.text.contains("1 alive, 1 gone, 7 connections"))
    }
  }
}
