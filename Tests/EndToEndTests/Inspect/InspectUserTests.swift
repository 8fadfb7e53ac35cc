import LocalRedis
import Testing

@Suite("connect inspect user")
struct InspectUserTests {
  @Test("counts what each device has not acked, and knows which gateways are gone")
  func user() async throws {
    try await Inspection.withRedis { server in
      try await server.command(
        "EVAL", "for n = 11, 1500 do redis.call('XADD', KEYS[1], n .. '-0', 'm', 'x') end", "1",
        "connect:mailbox:{bob}")
      try await server.command("XADD", "connect:outgoing:{g1}", "*", "m", "x")
      try await server.command("HSET", "connect:session:{bob}", "phone", "g1/c1", "tablet", "g2/c2")
      try await server.command(
        "HSET", "connect:cursor:{bob}", "phone", "1500-0 1700000000", "tablet", "1300-0", "old",
        "0-0 1", "late", "20-0", "!removed", "10-0")
      let user = try await Inspection.of("user", "bob", "--json", redis: server.url)
        .json(Inspection.User.self)
      #expect(user.sessions.map(\.device) == ["phone", "tablet"])
      #expect(user.sessions.map(\.isGatewayAlive) == [true, false])
      let cursors = Dictionary(uniqueKeysWithValues: user.cursors.map { ($0.device, $0) })
      #expect(cursors["phone"]?.behind == 0)
      #expect(cursors["phone"]?.lastSeenSeconds == 1_700_000_000)
      #expect(cursors["tablet"]?.behind == 200)
      #expect(cursors["tablet"]?.lastSeenSeconds == nil)
      #expect(cursors["old"]?.behind == 1_490)
      // Counting has a limit.
      #expect(cursors["late"]?.isBehindMore == true)
      #expect(try #require(cursors["late"]).behind >= 1_024)
      #expect(user.cursors.count == 4)
      #expect(user.mailbox.length == 1_490)
      #expect(user.mailbox.oldest == "11-0")
      #expect(user.mailbox.newest == "1500-0")
      #expect(user.mailbox.removed == "10-0")
      #expect(user.incoming.hasPrefix("connect:incoming:{p\(user.partition)"))
    }
  }

  @Test("says on standard error, and by exit code 1, that nothing is known of a user")
  func unknownUser() async throws {
    try await Inspection.withRedis { server in
      let said = """
        connect: nothing is known of nobody: no session, no device, no mailbox; check the name, \
        whose case matters, and --key-prefix
        """
      let nobody = try await Inspection.of("user", "nobody", redis: server.url)
      #expect(nobody.code == 1)
      #expect(nobody.lines == [])
      #expect(nobody.errors == [said])
      // For programs, the same object as for everybody.
      let json = try await Inspection.of("user", "nobody", "--json", redis: server.url)
      #expect(json.code == 1)
      #expect(json.errors == [said])
      #expect(try json.json(Inspection.User.self).mailbox.length == 0)
      // A device that is remembered is enough to be known.
      try await server.command("HSET", "connect:cursor:{known}", "phone", "1-0 1700000000")
      #expect(try await Inspection.of("user", "known", redis: server.url).code == 0)
    }
  }
}
