import Testing

@testable import Redis

@Suite("A Redis error")
struct RedisErrorTests {
  @Test("says whether the command may have been executed")
  func executed() {
    #expect(!RedisError.unavailable("").mayHaveBeenExecuted)
    #expect(!RedisError.server(RedisServerError("ERR")).mayHaveBeenExecuted)
    #expect(RedisError.unanswered("").mayHaveBeenExecuted)
    #expect(RedisError.unexpectedReply("").mayHaveBeenExecuted)
  }

  @Test("has the server's first word as its code")
  func code() {
    #expect(RedisServerError("NOGROUP No such key").code == "NOGROUP")
    #expect(RedisServerError("LOADING").code == "LOADING")
    #expect(RedisServerError("").code == "")
  }

  @Test("keeps the reason in its text")
  func description() {
    #expect(RedisError.unavailable("a").description == "Redis is unavailable: a")
    #expect(RedisError.unanswered("b").description == "Redis did not answer: b")
    #expect(RedisError.server(RedisServerError("c")).description == "Redis refused: c")
    #expect(
      RedisError.unexpectedReply("d").description == "Redis answered in an unknown form: d")
  }
}
