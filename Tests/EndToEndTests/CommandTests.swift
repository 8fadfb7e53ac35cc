import ConnectBench
import ConnectProtocol
import ConnectTestStand
import Foundation
import LocalRedis
import TestSupport
import Testing

/// Mistakes of operators: one line names each, with an exit code.
@Suite("The command line")
struct CommandTests {
  private func run(
    _ arguments: [String], environment: [String: String] = [:]
  ) async throws -> (code: Int32, output: [String], errors: [String]) {
    let program = try Program(arguments, environment: environment)
    let code = try await program.exitCode()
    return (code, program.output, program.errors)
  }

  @Test(
    "a wrong setting is refused with one line that names it, and exit code 64",
    arguments: [
      (["gateway", "--redis-url", "http://x"], "--redis-url"),
      (["gateway", "--redis-url", "redis://x:99999"], "--redis-url"),
      (["gateway", "--redis-url", "rediss://x:y:z"], "--redis-url"),
      (["gateway", "--redis-url", "redis://x,y/1"], "--redis-url"),
      (["gateway", "--redis-ca-file", "ca.pem"], "--redis-ca-file"),
      (
        ["gateway", "--redis-url", "rediss://x", "--redis-ca-file", "/missing.pem"], "/missing.pem"
      ),
      (["messaging", "--redis-mode", "sentinel"], "--redis-mode"),
      (["messaging", "--redis-url", "redis://x,y", "--redis-mode", "single"], "--redis-url"),
      (
        ["messaging", "--redis-url", "rediss://x", "--redis-cert-file", "c.pem"], "--redis-key-file"
      ),
      (["messaging", "--durability", "replicated"], "--durability"),
      (["gateway", "--listen", "8080"], "--listen"),
      (["gateway", "--listen", "0.0.0.0"], "--listen"),
      (["messaging", "--management-listen", "9091"], "--management-listen"),
      (["messaging", "--management-listen", "localhost:"], "--management-listen"),
      (["gateway", "--instance-id", "two words"], "--instance-id"),
      (["gateway", "--frame-bytes", "12"], "--frame-bytes"),
      (["gateway", "--ping-seconds", "soon"], "--ping-seconds"),
      (["gateway", "--drain-seconds", "3601"], "--drain-seconds"),
      (["gateway", "--backlog-limit", "0"], "--backlog-limit"),
      (["gateway", "--durability", "replicated:6"], "--durability"),
      (["gateway", "--auth-secret-file", "/nonexistent"], "--auth-secret-file"),
      (["gateway", "--auth-previous-secret-file", "/none"], "--auth-previous-secret-file"),
      (["messaging", "--partitions", "0"], "--partitions"),
      (["messaging", "--key-prefix", "a{b}"], "--key-prefix"),
      (["messaging", "--log-level", "loud"], "--log-level"),
      (["messaging", "--log-format", "xml"], "--log-format"),
      (["messaging", "--metrics-log", "json"], "--metrics-log"),
      (["gateway", "--metrics-log-seconds", "0"], "--metrics-log-seconds"),
      (["gateway", "--metrics-namespace", "AWS/Connect"], "--metrics-namespace"),
      (["dev", "--data", "/tmp", "--redis-url", "redis://localhost"], "--data"),
      (["dev", "--data", ""], "--data"),
      (["dev", "--data", "/dev/null"], "--data"),
      (["gateway", "--allowed-origins", "app.example.com"], "--allowed-origins"),
      (["gateway", "--allowed-origins", "https://app.example.com/"], "--allowed-origins"),
      (["gateway", "--allowed-origins", ","], "--allowed-origins"),
      (
        ["connect-bench", "faults", "--redis", "cluster", "--durability", "replicated:1"],
        "--durability"
      ),
      (
        ["connect-bench", "--redis", "cluster-tls", "--durability", "replicated:2"], "--durability"
      ),
      (
        [
          "connect-bench", "faults", "--redis", "cluster-tls", "--registry", "tls", "--durability",
          "replicated:1",
        ], "--durability"
      ),
      (["connect-bench", "faults", "--minutes", "1", "--rounds", "1"], "--rounds"),
      (["connect-bench", "faults", "--raw-senders", "41"], "--raw-senders: '41'"),
      (["connect-bench", "faults", "--faults", "rain"], "--faults: 'rain'"),
      (["connect-bench", "curve", "--compare", "/none"], "--compare: '/none' cannot be read"),
      (["connect-bench", "curve", "--read", "/none"], "--read: '/none' cannot be read"),
      (["dev", "--port", "65535"], "--port: '65535'"),
    ])
  func wrongSetting(arguments: [String], named: String) async throws {
    // The file is asked for only where the variable does not give the secret already.
    let secret = named == "--auth-secret-file" ? "" : Deployment.secret
    let (code, _, errors) = try await run(arguments, environment: ["CONNECT_AUTH_SECRET": secret])
    #expect(code == 64)
    #expect(errors.count == 1, "\(errors)")
    #expect(errors.first?.contains(named) == true, "\(errors)")
  }

  @Test("a wrong variable is named as the variable")
  func wrongVariable() async throws {
    let (code, _, errors) = try await run(
      ["messaging"], environment: ["CONNECT_PARTITIONS": "many"])
    #expect(code == 64)
    #expect(errors == ["connect: CONNECT_PARTITIONS: 'many' is not a whole number from 1 to 1024"])
  }

  @Test("a flag wins over the variable")
  func flagWins() async throws {
    let (code, _, errors) = try await run(
      ["messaging", "--partitions", "none"], environment: ["CONNECT_PARTITIONS": "16"])
    #expect(code == 64)
    #expect(errors.first?.contains("--partitions: 'none'") == true)
  }

  @Test("an unknown flag is refused with exit code 64")
  func unknownFlag() async throws {
    let (code, _, errors) = try await run(["gateway", "--lisen", "x"])
    #expect(code == 64)
    #expect(errors.first?.contains("--lisen") == true)
  }

  @Test("a misspelled subcommand is refused with exit code 64, one line, and the right one")
  func misspelledSubcommand() async throws {
    for (arguments, meant) in [
      (["gatway"], "gateway"), (["help", "inspect", "usr"], "inspect user"),
    ] {
      let (code, output, errors) = try await run(arguments)
      #expect(code == 64)
      #expect(output == [])
      #expect(errors.count == 1)
      #expect(errors.first?.hasSuffix("did you mean `connect \(meant)`?") == true, "\(errors)")
    }
  }

  @Test("an argument that breaks a rule is refused with exit code 64 and the rule")
  func rule() async throws {
    let (code, _, errors) = try await run(["inspect", "user", "bob smith"])
    #expect(code == 64)
    #expect(
      errors.first == """
        Error: The value 'bob smith' is invalid for '<user>': it must be a user name, 1 to 128 of \
        A-Z a-z 0-9 . _ - @ + :
        """)
  }

  @Test("a secret that is too short for HS256 is refused")
  func shortSecret() async throws {
    let (code, _, errors) = try await run(
      ["token", "alice"], environment: ["CONNECT_AUTH_SECRET": "short"])
    #expect(code == 64)
    #expect(
      errors == ["connect: CONNECT_AUTH_SECRET: the secret has 5 bytes; HS256 needs at least 32"])
    // RFC 7518, section 3.2.
    for (length, expected) in [(31, Int32(64)), (32, 0)] {
      let secret = String((0..<length).map { Character(Unicode.Scalar(UInt8(0x41 + $0))) })
      let (code, _, _) = try await run(
        ["token", "alice"], environment: ["CONNECT_AUTH_SECRET": secret])
      #expect(code == expected, "\(length) bytes")
    }
  }

  @Test("a wrong password of Redis ends the start with 77 and Redis's own words")
  func wrongPassword() async throws {
    let server = try await LocalRedisServer.start(
      .init(extraArguments: ["--user", "app", "on", ">right", "~*", "+@all"]))
    let url = "redis://app:wrong@127.0.0.1:\(server.port)"
    let (code, _, errors) = try await run(["messaging", "--redis-url", url])
    await server.stop()
    #expect(code == 77)
    #expect(errors.last?.contains("WRONGPASS") == true, "\(errors)")
    let text = errors.joined(separator: "\n")
    #expect(!text.contains(":wrong"), "no password in a log or an error")
  }

  @Test("services with different numbers of partitions cannot share a Redis")
  func otherPartitions() async throws {
    try await Deployment.with(gateways: 0) { deployment in
      let (code, _, errors) = try await run([
        "messaging", "--redis-url", deployment.redis.adminURL, "--partitions", "8",
      ])
      #expect(code == 64)
      #expect(errors.last?.contains("--partitions 16") == true, "\(errors)")
    }
  }

  @Test(
    "a port in use ends the start at once, with its one line, before Redis is asked or started",
    arguments: [
      (["gateway"], "--listen"), (["gateway", "--listen", "127.0.0.1:0"], "--management-listen"),
      (["messaging"], "--management-listen"),
      (["messaging", "--management-listen", "off"], "--api-listen"), (["dev"], "--port"),
      (["dev", "--gateways", "1", "--port", "%free"], "--api-listen"),
    ])
  func portInUse(arguments: [String], flag: String) async throws {
    let taken = try await TakenPort()
    let value = flag == "--port" ? "\(taken.port)" : "127.0.0.1:\(taken.port)"
    let free = "\(try await TakenPort.free())"
    var arguments = arguments.map { $0 == "%free" ? free : $0 }
    // Nobody is there: whoever asked first would say so.
    if arguments[0] != "dev" { arguments += ["--redis-url", "redis://127.0.0.1:1"] }
    let (code, output, errors) = try await run(
      arguments + [flag, value],
      environment: ["CONNECT_SERVICE_TOKEN": String(repeating: "t", count: 40)])
    await taken.close()
    #expect(code == 1)
    #expect(output == [])
    #expect(
      errors == [
        """
        connect: cannot listen on 127.0.0.1:\(taken.port): Address already in use; end what is \
        there, or choose another port with \(flag)
        """
      ])
  }

  @Test(
    "an address that is not this machine's is refused with that advice, not that of a port in use",
    arguments: ["192.0.2.1:8080", "nowhere.invalid:8080"])
  func foreignAddress(address: String) async throws {
    let (code, _, errors) = try await run(["gateway", "--listen", address])
    #expect(code == 1)
    #expect(errors.count == 1)
    #expect(errors.first?.hasPrefix("connect: cannot listen on \(address): ") == true)
    #expect(
      errors.first?.hasSuffix("; give an address of this machine with --listen") == true,
      "\(errors)")
  }

  @Test(
    "a port in use may be due to a misspelled variable, which is said before it",
    arguments: [["gateway", "--management-listen", "off"], ["messaging"], ["dev"]])
  func portInUseBesideUnknownVariable(arguments: [String]) async throws {
    let taken = try await TakenPort()
    let address = "127.0.0.1:\(taken.port)"
    let flags = [
      "gateway": ["--listen", address], "messaging": ["--management-listen", address],
      "dev": ["--port", "\(taken.port)"],
    ]
    let (code, _, errors) = try await run(
      arguments + (flags[arguments[0]] ?? []), environment: ["CONNECT_LISTN": "x"])
    await taken.close()
    #expect(code == 1)
    #expect(errors.count == 2)
    #expect(errors.first?.contains("nearest=CONNECT_LISTEN ") == true, "\(errors)")
    #expect(errors.last?.contains("cannot listen on \(address)") == true, "\(errors)")
  }

  @Test("the port of another gateway than the first ends `dev`, too")
  func secondPortInUse() async throws {
    // Somebody else may have the port before it.
    for _ in 0..<10 {
      let taken = try await TakenPort()
      let (code, _, errors) = try await run(["dev", "--port", "\(taken.port - 1)"])
      await taken.close()
      #expect(code == 1)
      #expect(errors.count == 1)
      #expect(errors.first?.hasSuffix("with --port") == true, "\(errors)")
      if errors.first?.contains(":\(taken.port): ") == true { return }
    }
    Issue.record("no free port before one that is taken")
  }

  @Test("a port in use ends a gateway whose Redis is there with one line")
  func portOfGatewayInUse() async throws {
    try await Deployment.with(gateways: 1) { deployment in
      let (code, _, errors) = try await run([
        "gateway", "--redis-url", deployment.redis.adminURL, "--management-listen", "off",
        "--listen",
        "127.0.0.1:\(deployment.gateways[0].port)",
      ])
      #expect(code == 1)
      #expect(errors.count == 1)
      #expect(errors.first?.contains("cannot listen") == true, "\(errors)")
    }
  }

  @Test("a management or API port in use ends messaging before it takes partitions from others")
  func messagingPortInUse() async throws {
    try await Deployment.with(gateways: 1) { deployment in
      let address = "127.0.0.1:\(deployment.gateways[0].port)"
      for arguments in [
        ["--management-listen", address], ["--management-listen", "off", "--api-listen", address],
      ] {
        let (code, _, errors) = try await run(
          ["messaging", "--redis-url", deployment.redis.adminURL] + arguments,
          environment: ["CONNECT_SERVICE_TOKEN": String(repeating: "t", count: 40)])
        #expect(code == 1)
        #expect(errors.last?.contains("cannot listen") == true, "\(errors)")
      }
      let said = deployment.messaging[0].program.errors
      #expect(!said.contains { $0.contains("leases.released") }, "\(said)")
      #expect(said.filter { $0.contains("leases.members") }.count <= 1, "\(said)")
    }
  }

  @Test(
    "each signal that asks for an end ends each service with 0, having said so, also to clients",
    arguments: [SIGTERM, SIGINT, SIGHUP, SIGQUIT])
  func stopsCleanly(signal: Int32) async throws {
    try await Deployment.with(gateways: 1) { deployment in
      let socket = try await self.connect(
        deployment.gateways[0].port, token: try await deployment.token(for: UserName("alice")!))
      for program in [deployment.gateways[0].program, deployment.messaging[0].program] {
        program.process.signal(signal)
        let code = try await program.exitCode()
        #expect(code == 0)
        let saidSo = program.errors.contains { $0.contains(".stopped") }
        #expect(saidSo, "\(program.errors)")
      }
      _ = try await socket.expectFrame(type: "goodbye")
      try await socket.expectClose(1012)
    }
  }

  private func connect(_ port: Int, token: String) async throws -> TestSocket {
    // A gateway listens before it has reached its Redis.
    let socket = try await eventually("a gateway upgrades") {
      try? await TestSocket.upgrade(port: port, UpgradeRequest(token: token)).0
    }
    try await socket.expectWelcome()
    try await socket.expectLive()
    return socket
  }

  @Test(
    "SIGHUP and SIGQUIT end `dev` in order, with its Redis; a SIGHUP that nohup ignores stays ignored",
    arguments: [(SIGHUP, false), (SIGQUIT, true)])
  func devStops(signal: Int32, isUnderNohup: Bool) async throws {
    let port = try await TakenPort.free()
    let arguments = ["dev", "--gateways", "1", "--port", "\(port)"]
    let connect = Program.connectBesideTests
    let program =
      isUnderNohup
      ? try Program(
        executable: "/bin/sh", ["-c", #"trap "" HUP; exec "$0" "$@""#, connect] + arguments,
        environment: Program.environment)
      : try Program(arguments)
    try await eventually("it says how to end it") {
      program.output.contains { $0.hasPrefix("Stop with") } || !program.process.isRunning
    }
    let said = program.output.joined(separator: "\n")
    let token = try #require(said.firstMatch(of: /token=(\S+)/), "\(program.errors)").1
    let redisPort = try #require(said.firstMatch(of: /redis:\/\/\S*:([0-9]+)/)?.1).description
    let socket = try await self.connect(port, token: String(token))
    if isUnderNohup {
      program.process.signal(SIGHUP)
      for number in 0..<20 {
        socket.sendMessage("\(number)", to: "nobody")
        try await socket.expectAccepted("\(number)")
      }
    }
    program.process.signal(signal)
    _ = try await socket.expectFrame(type: "goodbye")
    #expect(try await program.exitCode() == 0)
    await #expect(throws: (any Error).self) { try await TestSocket.open(port: Int(redisPort)!) }
  }

  @Test("help names every setting's variable pattern and the exit codes")
  func help() async throws {
    let (code, output, _) = try await run(["--help"])
    #expect(code == 0)
    let text = output.joined(separator: "\n")
    for word in ["dev", "gateway", "messaging", "token", "chat", "CONNECT_REDIS_URL"] {
      #expect(text.contains(word))
    }
  }
}
