import ConnectBench
import LocalRedis
import Testing

/// Reports about a Redis into which the test wrote what services would have written.
@Suite("connect inspect")
struct InspectTests {
  @Test("goes on whatever somebody wrote by hand, and shows none of it so that a terminal obeys")
  func byHand() async throws {
    try await Inspection.withRedis { server in
      let evil = "\u{1b}[2J\u{9b}1m\u{202e}"
      let largest = "18446744073709551615-18446744073709551615"
      try await server.command(
        "HSET", "connect:cursor:{bob}", "phone", "1-0 9223372036854775807", "tablet",
        "\(largest) 18446744073709551616", "pc", "9223372036854775807-0 -9223372036854775808",
        "!removed", largest, evil, evil)
      try await server.command("HSET", "connect:session:{bob}", evil, "g1/\(evil)", "phone", evil)
      try await server.command("XADD", "connect:mailbox:{bob}", "1-1", "m", evil)
      try await server.command("XADD", "connect:mailbox:{bob}", largest, "m", evil)
      try await server.command("XADD", Inspection.incoming, "9223372036854775807-0", evil, evil)
      try await server.command(
        "XGROUP", "CREATE", Inspection.incoming, "messaging:\(evil)", largest)
      try await server.command("SET", "connect:lease:{p0.1}", evil)
      try await server.command("SADD", "connect:gateways", "g1", "g2", evil)
      for gateway in ["g1", "g2"] {
        try await server.command(
          "HSET", "connect:gateway:{\(gateway)}", "connections", "9223372036854775807", "started",
          "18446744073709551615", "address", evil, "version", evil)
        try await server.command("XADD", "connect:outgoing:{\(gateway)}", largest, "m", evil)
      }
      try await server.command("SADD", "connect:messaging", "m1", evil)
      try await server.command(
        "HSET", "connect:messaging:{m1}", "started", "-1", "host", evil, "pid", evil)
      try await server.command(
        "XADD", "connect:deadletter", largest, "reason", evil, "origin", evil, "attempts",
        "9223372036854775807", "field.\(evil)", evil)
      for arguments in [
        ["overview"], ["streams"], ["partitions"], ["gateways"], ["user", "bob"], ["deadletters"],
        ["deadletters", "show", largest], ["deadletters", "requeue", largest],
      ] {
        for form in [[], ["--json"]] {
          let program = try Program(
            ["inspect"] + arguments + form + ["--redis-url", server.url])
          let code = try await program.exitCode()
          let mayFail = arguments.contains("requeue")
          #expect(code == 0 || mayFail && code == 1, "\(arguments) \(form): \(program.errors)")
          guard form.isEmpty else { continue }
          for line in program.output + program.errors {
            #expect(
              !line.unicodeScalars.contains { "\u{1b}\u{9b}\u{202e}".unicodeScalars.contains($0) })
          }
        }
      }
    }
  }

  @Test("a Redis that is not there ends it with 69, at once and with one line")
  func unreachable() async throws {
    let result = try await Inspection.of("streams", redis: "redis://127.0.0.1:1")
    #expect(result.code == 69)
    #expect(result.errors.count == 1)
    #expect(result.errors.first?.contains("--redis-url") == true)
  }

  @Test("keys of another program, and commands that are not allowed, are named")
  func wrongRedis() async throws {
    try await Inspection.withRedis { server in
      try await server.command("SET", "connect:deadletter", "something else")
      let other = try await Inspection.of("deadletters", redis: server.url)
      #expect(other.code == 1)
      #expect(other.errors.count == 1)
      #expect(other.errors.first?.contains("--key-prefix") == true)

      try await server.command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-info")
      let url = "redis://app:secret@127.0.0.1:\(server.port)"
      let refused = try await Inspection.of(redis: url)
      #expect(refused.code == 77)
      #expect(refused.errors.first?.contains("info") == true)
      #expect(refused.errors.first?.contains("secret") == false)
    }
  }

  @Test("the number of partitions is the data's, whatever is configured")
  func otherPartitions() async throws {
    try await Inspection.withRedis { server in
      let result = try await Inspection.of(
        "partitions", "--json", "--partitions", "7", redis: server.url)
      #expect(try result.json(Inspection.Partitions.self).partitions.count == Inspection.partitions)
      #expect(result.errors.count == 1)
    }
  }
}
