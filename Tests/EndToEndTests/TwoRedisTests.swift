import ConnectBench
import ConnectClient
import ConnectProtocol
import Foundation
import LocalRedis
import TestSupport
import Testing

/// Reports about users' keys in a Redis of their own, and errors for settings that do not fit them.
@Suite("Two Redis")
struct TwoRedisTests {
  /// One exits; its errors are one line.
  private func failure(
    _ arguments: [String], environment: [String: String] = [:]
  ) async throws -> (code: Int32, error: String) {
    let program = try Program(arguments, environment: environment)
    let code = try await program.exitCode()
    #expect(program.errors.count == 1, "one line: \(program.errors)")
    return (code, program.errors.last ?? "")
  }

  private static let services = [
    ["messaging", "--management-listen", "off"],
    ["gateway", "--management-listen", "off", "--listen", "127.0.0.1:0"],
  ]

  /// Starts a messaging instance, so that the data has a layout, and stops it.
  private func begin(_ redis: [String]) async throws {
    let program = try Program(Self.services[0] + redis)
    _ = try await program.errorLine { $0.contains("messaging.started") }
    await program.process.terminate(grace: .seconds(10))
  }

  @Test("are needed again, or refused, as the data was begun: exit code 64")
  func mismatch() async throws {
    try await RedisFixture.withServer { bus in
      try await RedisFixture.withServer { registry in
        let one = ["--redis-url", bus.url]
        let two = one + ["--registry-redis-url", registry.url]
        let prefixed = ["--key-prefix", "two:"]
        try await self.begin(one)
        try await self.begin(two + prefixed)
        for service in Self.services + [["inspect"], ["inspect", "user", "bob"]] {
          let unwanted = try await self.failure(service + two)
          #expect(unwanted.code == 64)
          #expect(unwanted.error.contains("leave --registry-redis-url out"), "\(unwanted.error)")
          let missing = try await self.failure(service + one + prefixed)
          #expect(missing.code == 64)
          #expect(
            missing.error.contains("name that with --registry-redis-url"), "\(missing.error)")
        }
        // Nothing was written where it should not be.
        #expect(try await registry.command("DBSIZE").integer == 0)
        // The same twice is pointless, and works.
        try await self.begin(
          one + ["--registry-redis-url", bus.url, "--key-prefix", "twice:"])
      }
    }
  }

  @Test("are both waited for, and the one that is away or refuses us is named with its flag")
  func unreachable() async throws {
    try await RedisFixture.withServer { bus in
      try await RedisFixture.withServer(
        extraArguments: ["--user", "users", "on", ">secret", "~*", "+@all"]
      ) { registry in
        let login = "redis://users:wrong@127.0.0.1:\(registry.port)"
        let away = try await self.failure([
          "inspect", "--redis-url", bus.url, "--registry-redis-url", "redis://127.0.0.1:1",
        ])
        #expect(away.code == 69)
        #expect(away.error.contains("redis://127.0.0.1:1/0"), "\(away.error)")
        #expect(away.error.contains("with --registry-redis-url"), "\(away.error)")
        for service in Self.services {
          let refused = try await self.failure(
            service + ["--redis-url", bus.url, "--registry-redis-url", login])
          #expect(refused.code == 77)
          #expect(refused.error.contains("those of --registry-redis-url"), "\(refused.error)")
        }
        let malformed = try await self.failure(
          ["inspect", "--redis-url", bus.url],
          environment: ["CONNECT_REGISTRY_REDIS_URL": "http://x"])
        #expect(malformed.code == 64)
        #expect(malformed.error.contains("CONNECT_REGISTRY_REDIS_URL:"), "\(malformed.error)")
        // A login of its own, in its URL.
        try await self.begin([
          "--redis-url", bus.url, "--registry-redis-url",
          "redis://users:secret@127.0.0.1:\(registry.port)",
        ])
      }
    }
  }

  @Test("lack rights: the one whose user may not is named, with the key: exit code 77")
  func rights() async throws {
    try await RedisFixture.withServer { bus in
      try await RedisFixture.withServer(
        extraArguments: [
          "--user", "other", "on", ">secret", "~other:*", "+@all",
        ]
      ) { registry in
        let refused = try await self.failure(
          Self.services[0] + [
            "--redis-url", bus.url, "--registry-redis-url",
            "redis://other:secret@127.0.0.1:\(registry.port)",
          ])
        #expect(refused.code == 77)
        #expect(refused.error.contains("127.0.0.1:\(registry.port)"), "\(refused.error)")
        #expect(refused.error.contains("connect:registry"), "\(refused.error)")
      }
    }
  }

  @Test("are both shown by inspect")
  func inspect() async throws {
    var options = Deployment.Options(executable: Program.connectBesideTests)
    options.redis = .tested
    options.registry = .tested
    try await Deployment.with(options) { deployment in
      let gateway = try #require(deployment.gateways.first)
      try await Chatters.with(
        Chatters.Options(users: 4, rate: 40), endpoint: gateway.endpoint,
        token: { try await deployment.token(for: $0) }
      ) { chatters in
        try await chatters.shown(20)
        // The services' user may not look at everything.
        let redis = [
          "--redis-url", deployment.redis.adminURL, "--registry-redis-url",
          try #require(deployment.registry).adminURL,
        ]
        let program = try Program(["inspect", "user", "chatter-0"] + redis)
        #expect(try await program.exitCode() == 0, "\(program.errors)")
        let text = program.output.joined(separator: "\n")
        #expect(text.contains("gateway-"), "\(text)")
        #expect(text.contains("yes"), "\(text)")
        #expect(!text.contains(", 0 entries"), "\(text)")

        let overview = try Program(["inspect"] + redis)
        #expect(try await overview.exitCode() == 0, "\(overview.errors)")
        #expect(overview.output.contains { $0.hasPrefix("Redis         ") })
        #expect(
          overview.output.contains { $0.hasPrefix("Registry      Redis ") }, "\(overview.output)")
        #expect(overview.output.contains { $0.hasPrefix("Memory") })
      }
    }
  }
}
