import TestSupport
import Testing

@testable import LocalRedis

@Suite("A command by hand", .timeLimit(.minutes(20)))
struct CommandTests {
  @Test("is answered with a reply of the kind that Redis gives")
  func replies() async throws {
    try await RedisFixture.withServer { server in
      #expect(try await server.command("SET", "a key", "a\r\nvalue") == .string("OK"))
      #expect(try await server.command("GET", "a key").string == "a\r\nvalue")
      #expect(try await server.command("GET", "none") == .null)
      #expect(try await server.command("INCRBY", "n", "7").integer == 7)
      #expect(
        try await server.command("EVAL", "return {1, {'x', redis.error_reply('NO')}}", "0")
          == .array([.integer(1), .array([.string("x"), .error("ERR NO")])]))
      let long = String(repeating: "ä", count: 500_000)
      try await server.command("SET", "long", long)
      #expect(try await server.command("GET", "long").string == long)
    }
  }

  @Test("that is refused throws what Redis says")
  func errorReply() async throws {
    let server = try await SharedRedis.server()
    let error = await #expect(throws: LocalRedisError.self) {
      try await server.command("NO", "SUCH")
    }
    #expect(
      "\(try #require(error))".contains("port \(server.port) answered NO SUCH with: ERR unknown"))
  }

  @Test("is given up in time when the server is paused, and at once when it is not there")
  func unanswered() async throws {
    try await RedisFixture.withServer { server in
      server.pause()
      let start = ContinuousClock.now
      let error = await #expect(throws: LocalRedisError.self) {
        try await server.command("PING", within: .milliseconds(200))
      }
      #expect("\(try #require(error))".contains("did not answer PING"))
      #expect(ContinuousClock.now - start > .milliseconds(150))
      server.resume()
      let reply = try await server.command("PING")
      #expect(reply.string == "PONG")
      await server.kill()
      await #expect(throws: LocalRedisError.self) { try await server.command("PING") }
    }
  }
}
