import MessageBus
import Settings
import Testing

@testable import ConnectCommand
@testable import Redis

/// Words of Redis that cannot be had of the one that tests run against.
@Suite("What is said of a refusal of Redis")
struct RedisAdviceTests {
  private func failure(_ words: String, _ setting: Setting = .redisURL) throws -> Failure {
    Failure(
      .server(RedisServerError(words)), at: try RedisURL(parsing: "redis://host:1"), setting)
  }

  @Test(
    "says what to change, whatever the release",
    arguments: [
      (
        "DENIED Redis is running in protected mode because protected mode is enabled and no …",
        "its own machine only; give it a password (requirepass)", Failure.Kind.refused
      ),
      (
        "ERR Client sent AUTH, but no password is set", "default user has none; leave it out",
        .refused
      ),
      ("ERR wrong number of arguments for 'auth' command", "older than 6", .refused),
      (
        "ERR unknown command `XADD`, with args beginning with: `x`, ",
        "Redis does not know XADD; give back", .usage
      ),
      ("ERR max number of clients reached", "raise its maxclients", .unavailable),
      ("LOADING Redis is loading the dataset in memory", "does not get ready", .unavailable),
      ("READONLY You can't write against a read only replica.", "name its primary", .unavailable),
      ("OOM command not allowed when used memory > 'maxmemory'.", "memory, disk", .unavailable),
      ("BUSY Redis is busy running a script.", "does not get ready", .unavailable),
      ("ERR DB index is out of range", "check --redis-url", .usage),
    ])
  func advice(words: String, said: String, kind: Failure.Kind) throws {
    let failure = try self.failure(words)
    #expect(failure.kind == kind)
    #expect(failure.description.contains(said), "\(failure)")
    #expect(failure.description.hasPrefix("redis://host:1/0: "))
  }

  @Test("names the setting of the Redis that it is about, and only what that one can have")
  func registry() throws {
    let words = "ERR unknown command 'CLUSTER', with args beginning with: 'SLOTS' "
    #expect(try self.failure(words).description.contains("--redis-mode"))
    #expect(try !self.failure(words, .registryRedisURL).description.contains("--redis-mode"))
    #expect(
      try self.failure("READONLY", .registryRedisURL).description.contains("--registry-redis-url"))
  }

  @Test("names commands that are unknown, and those that are forbidden beside them")
  func unknownAndForbidden() throws {
    var missing = CommandsNeeded.Missing()
    missing.unknown = ["xadd"]
    missing.forbidden = ["exec", "wait"]
    let said = Failure(missing, at: try RedisURL(parsing: "redis://host:1"), .redisURL)
    #expect(said.kind == .usage)
    #expect(said.description.contains("does not know xadd; give back"))
    #expect(said.description.contains("no permission to run exec, wait; the rights"), "\(said)")
  }

  @Test("says of a password file and of TLS what to do about these, not to start Redis")
  func unavailable() throws {
    let url = try RedisURL(parsing: "redis://host:1")
    guard case .failure(let file) = PasswordFile.read("/nowhere/password") else {
      Issue.record("it was read")
      return
    }
    #expect(
      Failure(file, at: url, .redisURL).description == """
        redis://host:1/0: Redis is unavailable: cannot read the password file /nowhere/password: \
        No such file or directory; write it, or name another with --redis-password-file
        """)
    let tls = RedisError.unavailable("\(RedisError.handshakeReason)host:1: x; do y")
    #expect(Failure(tls, at: url, .redisURL).description.hasSuffix(": x; do y"))
    let other = Failure(.unavailable("cannot connect to host:1: z"), at: url, .redisURL)
    #expect(other.description.hasSuffix("z; start Redis there, or give its place with --redis-url"))
  }

  @Test("is waited for only where it may pass by itself")
  func passing() {
    for words in ["LOADING", "READONLY x", "ERR max number of clients reached", "BUSY x"] {
      #expect(RedisServerError(words).isPassing, "\(words)")
    }
    for words in ["NOAUTH x", "DENIED x", "ERR unknown command 'A'", "NOPERM x", "WRONGPASS"] {
      #expect(!RedisServerError(words).isPassing, "\(words)")
    }
  }
}
