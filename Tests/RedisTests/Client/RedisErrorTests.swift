import Testing

@testable import Redis

@Suite("A Redis error")
struct RedisErrorTests {
  @Test("says whether the command may have been executed")
  func executed() {
    #expect(!RedisError.unavailable("").mayHaveBeenExecuted)
    #expect(!RedisError.server(RedisServerError("ERR")).mayHaveBeenExecuted)
    #expect(RedisError.unanswered("").mayHaveBeenExecuted)
    #expect(RedisError.unconfirmed("").mayHaveBeenExecuted)
    #expect(RedisError.unexpectedReply("").mayHaveBeenExecuted)
  }

  @Test("has the server's first word as its code")
  func code() {
    #expect(RedisServerError("NOGROUP No such key").code == "NOGROUP")
    #expect(RedisServerError("LOADING").code == "LOADING")
    #expect(RedisServerError("").code == "")
  }

  @Test(
    "passes when it is about Redis and not about the command",
    arguments: [
      "OOM command not allowed when used memory > 'maxmemory'.", "MISCONF Redis is configured …",
      "READONLY You can't write against a read only replica.", "LOADING Redis is loading …",
      "MASTERDOWN Link with MASTER is down", "NOREPLICAS Not enough good replicas to write.",
      "CLUSTERDOWN Hash slot not served", "TRYAGAIN Multiple keys request during rehashing …",
      "MOVED 1 127.0.0.1:1", "ASK 1 127.0.0.1:1", "BUSY Redis is busy running a script.",
      "UNBLOCKED force unblock", "NOAUTH Authentication required.",
      "NOPERM this user has no permissions", "WRONGPASS invalid username-password pair",
      "EXECABORT Transaction discarded because of: OOM command not allowed …",
      "EXECABORT Transaction discarded because of previous errors.",
    ])
  func transient(message: String) {
    #expect(RedisServerError(message).isTransient)
  }

  @Test(
    "stays when it is about the command",
    arguments: [
      "WRONGTYPE Operation against a key holding the wrong kind of value",
      "ERR The ID specified in XADD is equal or smaller than the target stream top item",
      "ERR OOM", "NOGROUP No such key", "NOSCRIPT No matching script.", "BUSYGROUP exists", "",
      "EXECABORT Transaction discarded because of: ERR unknown command",
    ])
  func lasting(message: String) {
    #expect(!RedisServerError(message).isTransient)
  }

  @Test("is shown in one line, in which nothing acts on a terminal or turns the text around")
  func escaped() {
    let evil = "ERR a\u{1b}[2Jb\nc\u{85}d\u{202e}e\u{2028}f\u{7f}g\u{fffd}é"
    let shown = "ERR a\\u{1b}[2Jb\\u{a}c\\u{85}d\\u{202e}e\\u{2028}f\\u{7f}g\u{fffd}é"
    let error = RedisServerError(evil)
    #expect(error.message == evil)
    #expect("\(error)" == shown)
    #expect("\(RedisError.server(error))" == "Redis refused: \(shown)")
  }

  @Test("is kept and shown only so far, and asked for its cause no deeper")
  func bounded() throws {
    let long = RedisServerError("ERR " + String(repeating: "é", count: 100_000))
    #expect(long.message.utf8.count <= RedisLimits.maximumErrorBytes + 3)
    #expect("\(long)".count <= RedisLimits.maximumShownCharacters + 1)
    let deep = "EXECABORT " + String(repeating: "because of: EXECABORT ", count: 1_000_000)
    #expect(RedisServerError(deep).isTransient)
    let replies = try RedisReplies(parsing: Array("-\(deep)\r\n".utf8), count: 1)
    #expect(replies.serverError(0)?.isTransient == true)
  }

  @Test("keeps the reason in its text")
  func description() {
    #expect(RedisError.unavailable("a").description == "Redis is unavailable: a")
    #expect(RedisError.unanswered("b").description == "Redis did not answer: b")
    #expect(RedisError.unconfirmed("e").description == "Redis has not confirmed a write: e")
    #expect(RedisError.server(RedisServerError("c")).description == "Redis refused: c")
    #expect(
      RedisError.unexpectedReply("d").description == "Redis answered in an unknown form: d")
  }
}
