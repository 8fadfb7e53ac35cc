import NIOCore
import TestSupport
import Testing

@testable import Redis

@Suite("Where a server closes connections that nobody uses, a client", .timeLimit(.minutes(20)))
struct IdleCloseTests {
  private let log = EventLog()

  @Test("connects again and says nothing, until it cannot")
  func quiet() async throws {
    try await RedisFixture.withServer { server in
      let configuration = try RedisConfiguration(url: RedisURL(parsing: server.url))
      try await withClient(configuration, logger: self.log.logger) { client in
        for count in 1...2 {
          try await client.waitUntilReady()
          // So it is old enough to be closed for being idle.
          try await Task.sleep(for: .milliseconds(RedisLimits.idleCloseMilliseconds + 100))
          // As `timeout` does, but when nothing is under way, however busy the machine is.
          try await server.command("CLIENT", "KILL", "TYPE", "normal")
          #expect(try await eventually { self.log.count("redis.idle_closed") == count })
          try await client.waitUntilReady()
          #expect(try await client.execute("PING").trees == [.string("PONG")])
        }
        #expect(self.log.count("redis.unreachable") == 0)
        #expect(self.log.count("redis.connected") == 0)
        await server.kill()
        #expect(try await eventually { self.log.count("redis.unreachable") == 1 })
        try await server.restart()
        #expect(try await eventually { self.log.count("redis.connected") == 1 })
      }
    }
  }

  @Test("is not closed while it waits for something to come")
  func blocked() async throws {
    try await RedisFixture.withServer(extraArguments: ["--timeout", "1"]) { server in
      try await withReadyClient(server.url) { client in
        // On a busy machine a connection may be closed before it waits; never one that does.
        let hasWaited = try await eventually {
          try await client.execute("XREAD", "BLOCK", "4000", "STREAMS", "x", "$").failure(0) == nil
        }
        #expect(hasWaited)
      }
    }
  }

  @Test("says so if that is at once")
  func atOnce() async throws {
    try await FakeServer.run(answer: { _ in .last("+PONG\r\n") }) { server in
      let configuration = try RedisConfiguration(url: RedisURL(parsing: server.url))
      try await withClient(configuration, logger: self.log.logger) { _ in
        let isSaid = try await eventually { self.log.count("redis.unreachable") > 1 }
        #expect(isSaid)
        #expect(self.log.count("redis.idle_closed") == 0)
      }
    }
  }

  @Test("says so if something was under way")
  func busy() async throws {
    try await RedisFixture.withServer { server in
      let configuration = try RedisConfiguration(url: RedisURL(parsing: server.url))
      try await withClient(configuration, logger: self.log.logger) { client in
        try await client.waitUntilReady()
        // So it is old enough to be closed for being idle.
        _ = try await client.execute("BLPOP", "idle:none", "1.2")
        let waiting = try await client.begin("BLPOP", "idle:none", "0")
        let isBlocked = try await eventually {
          try await server.command("INFO", "clients").string?.contains("blocked_clients:1") == true
        }
        #expect(isBlocked)
        try await server.command("CLIENT", "KILL", "TYPE", "normal")
        #expect(try await waiting.get().failure(0)?.isUnanswered == true)
        #expect(try await eventually { self.log.count("redis.unreachable") == 1 })
        #expect(self.log.count("redis.idle_closed") == 0)
      }
    }
  }
}
