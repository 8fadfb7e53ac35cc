import LocalRedis
import TestSupport
import Testing

@testable import Redis

@Suite("At login, Redis", .timeLimit(.minutes(20)))
struct LoginTests {
  private func words(_ url: String) async throws -> String? {
    guard case .server(let error)? = try await failure(of: url) else { return nil }
    return error.message
  }

  @Test("takes an ACL user with the right password, and says why it refuses any other")
  func user() async throws {
    try await RedisFixture.withServer { server in
      try await withReadyClient(server.url) { client in
        try await client.execute(
          "ACL", "SETUSER", "app", "on", ">p@ss:w%rd", "~app:*", "+@all"
        ).check()
      }
      let port = server.port
      try await withReadyClient("redis://app:p%40ss:w%25rd@127.0.0.1:\(port)") { client in
        #expect(try await client.execute("ACL", "WHOAMI").trees == [.string("app")])
        #expect(try await client.execute("SET", "app:x", "1").trees == [.string("OK")])
        guard case .server(let error) = try await client.execute("SET", "x", "1").failure(0) else {
          Issue.record("a key of others was written")
          return
        }
        #expect(error.code == "NOPERM")
      }
      let wrong = "WRONGPASS invalid username-password pair or user is disabled."
      #expect(try await words("redis://app:wrong@127.0.0.1:\(port)") == wrong)
      #expect(try await words("redis://nobody:p%40ss@127.0.0.1:\(port)") == wrong)
      #expect(try await words("redis://app@127.0.0.1:\(port)") == wrong)
      #expect(try await words("redis://app:p%40ss:w%25rd@127.0.0.1:\(port)") == nil)
    }
  }

  @Test("takes the default user's password, and says that one is wanted")
  func password() async throws {
    try await RedisFixture.withServer { server in
      try await withReadyClient(server.url) { client in
        try await client.execute("CONFIG", "SET", "requirepass", "secret").check()
      }
      #expect(try await words("redis://:secret@127.0.0.1:\(server.port)") == nil)
      #expect(try await words(server.url)?.hasPrefix("NOAUTH ") == true)
      #expect(
        try await words("redis://:wrong@127.0.0.1:\(server.port)")?.hasPrefix("WRONGPASS ") == true)
    }
  }

  @Test("keeps its words for whoever submits to a client that it refuses")
  func refusedClient() async throws {
    let port = try await SharedRedis.server().port
    try await withClient("redis://nobody:hunter2@127.0.0.1:\(port)") { client in
      let isRefused = try await eventually {
        let failure = try await client.execute("PING").failure(0)
        guard case .unavailable(let reason) = failure else { return false }
        #expect(!reason.contains("hunter2"))
        return reason.contains("WRONGPASS")
      }
      #expect(isRefused)
      #expect(try await !client.isReadyNow())
    }
  }

  @Test("selects the database of the URL")
  func database() async throws {
    let port = try await SharedRedis.server().port
    try await withReadyClient("redis://127.0.0.1:\(port)/5") { five in
      try await withReadyClient("redis://127.0.0.1:\(port)") { zero in
        try await five.execute("SET", "database:x", "five").check()
        #expect(try await zero.execute("GET", "database:x").trees == [.null])
        #expect(try await zero.execute("SELECT", "5").trees == [.string("OK")])
        #expect(try await zero.execute("GET", "database:x").trees == [.string("five")])
      }
    }
    #expect(
      try await words("redis://127.0.0.1:\(port)/9999") == "ERR DB index is out of range")
  }
}
