import ConnectBench
import Foundation
import LocalRedis
import MessageBus
import TestSupport
import Testing

/// Errors for a Redis that is there and does not serve us.
@Suite("A Redis that does not serve as it is meant")
struct RedisRefusalTests {
  /// Runs a program that is to end by itself, with one line of ours at last.
  private func run(
    _ arguments: [String], _ environment: [String: String] = [:]
  ) async throws -> (code: Int32, line: String) {
    let program = try Program(arguments, environment: environment)
    let code = try await program.exitCode()
    return (code, program.errors.last ?? "")
  }

  private func inspect(
    _ url: String, _ environment: [String: String] = [:]
  ) async throws -> (code: Int32, line: String) {
    try await self.run(["inspect", "--redis-url", url], environment)
  }

  @Test(
    "names CLUSTER where that was renamed away, and the mode that does without it",
    arguments: ["gateway", "messaging", "inspect"])
  func noCluster(service: String) async throws {
    try await RedisFixture.withServer(extraArguments: ["--rename-command", "CLUSTER", ""]) {
      server in
      let arguments = [service, "--redis-url", server.url]
      let (code, line) = try await self.run(arguments)
      #expect(code == 64)
      #expect(line.contains("Redis does not know CLUSTER; give back the name"), "\(line)")
      #expect(line.contains("--redis-mode is single"), "\(line)")
      guard service == "messaging" else { return }
      let program = try Program(arguments + ["--redis-mode", "single"])
      _ = try await program.errorLine { $0.contains("messaging.started") }
      await program.process.terminate(grace: .seconds(10))
    }
  }

  @Test("names all commands that were renamed away", arguments: ["gateway", "messaging"])
  func renamed(service: String) async throws {
    let names = ["XADD", "EVALSHA", "HRANDFIELD", "EXEC", "XREADGROUP"]
    let renamed = names.flatMap { ["--rename-command", $0, ""] }
    try await RedisFixture.withServer(extraArguments: renamed) { server in
      let (code, line) = try await self.run(
        [service, "--redis-url", server.url])
      #expect(code == 64)
      #expect(
        line.contains("does not know xadd, xreadgroup, hrandfield, evalsha, exec;"), "\(line)")
      // It was only asked.
      #expect(try await server.command(["DBSIZE"]) == .integer(0))
    }
  }

  @Test("is named by inspect, be it the first or the second, where it lacks a command")
  func renamedInOneOfTwo() async throws {
    let renamed = ["--rename-command", "GET", "", "--rename-command", "HGETALL", ""]
    try await RedisFixture.withServer(extraArguments: renamed) { lacking in
      try await RedisFixture.withServer { whole in
        for (bus, registry, command) in [(whole, lacking, "HGETALL"), (lacking, whole, "GET")] {
          let (code, line) = try await self.run([
            "inspect", "user", "bob", "--redis-url", bus.url, "--registry-redis-url", registry.url,
          ])
          #expect(code == 64)
          #expect(
            line.contains("127.0.0.1:\(lacking.port)/0: Redis does not know \(command);"),
            "\(line)")
        }
      }
    }
  }

  @Test("names all commands that its user may not run")
  func forbidden() async throws {
    let missing = ["xadd", "xinfo|stream", "script|load", "exec", "wait", "memory|usage"]
    let rights = AccessRights.services().filter { !missing.map { "+\($0)" }.contains($0) }
    try await RedisFixture.withServer { server in
      try await server.command(["ACL", "SETUSER", "some", "on", ">secret"] + rights)
      let login = ["CONNECT_REDIS_USER": "some", "CONNECT_REDIS_PASSWORD": "secret"]
      let arguments = ["messaging", "--redis-url", server.url, "--management-listen", "off"]
      let (code, line) = try await self.run(arguments, login)
      #expect(code == 77)
      #expect(line.contains("to run xadd, xinfo|stream, script|load, exec;"), "\(line)")
      #expect(line.contains("Redis.md#Rights"), "\(line)")
      let replicated = try await self.run(arguments + ["--durability", "replicated:1"], login)
      #expect(replicated.line.contains("script|load, wait, exec;"), "\(replicated.line)")
      try await server.command(["ACL", "SETUSER", "some", "-multi"])
      let multi = try await self.run(arguments, login)
      #expect(multi.line.contains("to run multi;"), "\(multi.line)")
      #expect(try await server.command(["DBSIZE"]) == .integer(0))
    }
  }

  @Test("says that no password is wanted, that one is, or that it is wrong; and where to set it")
  func passwords() async throws {
    try await RedisFixture.withServer { server in
      let url = "redis://:secret@127.0.0.1:\(server.port)"
      for outcome in try await [
        self.inspect(url), self.inspect(server.url, ["CONNECT_REDIS_PASSWORD": "secret"]),
      ] {
        #expect(outcome.code == 77)
        #expect(outcome.line.contains("default user has none; leave it out"), "\(outcome.line)")
        #expect(outcome.line.contains("CONNECT_REDIS_PASSWORD, or that of --redis-url"))
        #expect(!outcome.line.contains("secret"))
      }
      // A user without a password takes any.
      #expect(try await self.inspect("redis://default:any@127.0.0.1:\(server.port)").code == 0)

      try await server.command(["CONFIG", "SET", "requirepass", "secret"])
      let none = try await self.inspect(server.url)
      #expect(none.code == 77)
      #expect(none.line.contains("Give the password: --redis-password-file"), "\(none.line)")
      let wrong = try await self.inspect("redis://:other@127.0.0.1:\(server.port)")
      #expect(wrong.code == 77)
      #expect(wrong.line.contains("WRONGPASS"), "\(wrong.line)")
      #expect(wrong.line.contains("check the user and password: --redis-user"), "\(wrong.line)")
      #expect(try await self.inspect(url).code == 0)
    }
  }

  @Test("is waited for while it is a replica, also one that has the data")
  func replica() async throws {
    try await RedisFixture.withServer { primary in
      try await primary.command(["SET", "connect:partitions", "16"])
      try await RedisFixture.withServer { server in
        try await server.command(["REPLICAOF", "127.0.0.1", "\(primary.port)"])
        try await eventually("the data of the primary is there") {
          try await server.command(["GET", "connect:partitions"]) == .string("16")
        }
        let arguments = ["messaging", "--redis-url", server.url, "--management-listen", "off"]
        let program = try Program(arguments)
        _ = try await program.errorLine {
          $0.contains("redis.waiting") && $0.contains("READONLY")
        }
        #expect(program.process.isRunning)
        try await server.command(["REPLICAOF", "NO", "ONE"])
        _ = try await program.errorLine { $0.contains("messaging.started") }
        await program.process.terminate(grace: .seconds(10))
      }
    }
  }

  @Test("says that it is something else which answers, such as a server for HTTP")
  func notRedis() async throws {
    var options = Deployment.Options(executable: Program.connectBesideTests)
    options.gateways = 0
    options.messagingArguments = ["--management-listen", "127.0.0.1:0"]
    try await Deployment.with(options) { deployment in
      let port = try Deployment.port(
        in: try await deployment.messaging[0].program.errorLine {
          $0.contains("management.listening")
        })
      let outcome = try await self.inspect("redis://127.0.0.1:\(port)")
      #expect(outcome.code == 69)
      #expect(outcome.line.contains("whether Redis is what answers there"), "\(outcome.line)")
      #expect(outcome.line.contains("--redis-url"), "\(outcome.line)")
    }
  }
}
