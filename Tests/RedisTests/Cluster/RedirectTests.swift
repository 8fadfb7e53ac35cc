import Testing

@testable import Redis

@Suite("What a node answers that another one is to be asked")
struct RedirectTests {
  private static let asked = RedisAddress(host: "asked.example", port: 7_000)

  private static func moved(_ slot: Int, _ host: String, _ port: Int) -> Redirect {
    .moved(HashSlot(number: slot), RedisAddress(host: host, port: port))
  }

  private static func ask(_ slot: Int, _ host: String, _ port: Int) -> Redirect {
    .ask(HashSlot(number: slot), RedisAddress(host: host, port: port))
  }

  static let read: [(String, Redirect)] = [
    ("MOVED 3999 127.0.0.1:6381", moved(3_999, "127.0.0.1", 6_381)),
    ("MOVED 0 node-1.example.org:6379", moved(0, "node-1.example.org", 6_379)),
    ("MOVED 16383 2001:db8::1:6379", moved(16_383, "2001:db8::1", 6_379)),
    ("MOVED 1 :6379", moved(1, "asked.example", 6_379)),
    ("MOVED 1 ?:6379", .moved(HashSlot(number: 1), nil)),
    ("ASK 3999 127.0.0.1:6381", ask(3_999, "127.0.0.1", 6_381)),
    ("ASK 1 :6379", ask(1, "asked.example", 6_379)),
    ("ASK 1 ?:6379", .ask(HashSlot(number: 1), nil)),
    ("MOVED 1 a:1 and more", moved(1, "a", 1)),
    ("TRYAGAIN Multiple keys request during rehashing of slot", .wait),
    ("CLUSTERDOWN The cluster is down", .wait),
    ("CLUSTERDOWN Hash slot not served", .wait),
    ("LOADING Redis is loading the dataset in memory", .wait),
    ("READONLY You can't write against a read only replica.", .wait),
    ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", .wait),
  ]

  @Test("is read in every form", arguments: read)
  func forms(message: String, expected: Redirect) {
    #expect(Redirect(RedisServerError(message), asked: Self.asked) == expected)
  }

  @Test(
    "is none where no other attempt helps, or where it cannot be read",
    arguments: [
      "ERR unknown command", "NOPERM this user has no permissions", "WRONGTYPE Operation",
      "CROSSSLOT Keys in request don't hash to the same slot", "OOM command not allowed",
      "EXECABORT Transaction discarded because of previous errors.", "NOSCRIPT No matching script",
      "UNBLOCKED force unblock from blocking operation", "moved 1 a:1", "MOVEDx 1 a:1", "",
      "MOVED", "MOVED 1", "MOVED a b:1", "MOVED 16384 a:1", "MOVED -1 a:1", "MOVED 1 a",
      "MOVED 1 a:", "MOVED 1 a:b", "ASK", "ASK 1 a:x", "MOVED 1 a:0", "MOVED 1 a:65536",
      "MOVED 1 a:-1", "MOVED 1 \u{1b}[2J:1", "MOVED 1 a\u{202e}b:1",
      "MOVED 1 \(String(repeating: "a", count: 300)):1",
    ])
  func others(message: String) {
    #expect(Redirect(RedisServerError(message), asked: Self.asked) == nil)
  }

  private func redirect(_ unit: Range<Int>, _ text: String) throws -> Redirect? {
    Redirect.of(unit, try parsed(text), asked: Self.asked)
  }

  @Test("concerns one command by its own answer only")
  func oneCommand() throws {
    let text = "+OK\r\n-MOVED 1 a:1\r\n-ERR no\r\n-ASK 2 b:2\r\n-EXECABORT x\r\n"
    let expected: [Redirect?] = [nil, Self.moved(1, "a", 1), nil, Self.ask(2, "b", 2), nil]
    for (index, redirect) in expected.enumerated() {
      #expect(try self.redirect(index..<index + 1, text) == redirect)
    }
  }

  @Test(
    "concerns a transaction by what aborted it",
    arguments: [
      ("-MOVED 1 a:1\r\n", moved(1, "a", 1)), ("-ASK 1 a:1\r\n", ask(1, "a", 1)),
      ("-TRYAGAIN x\r\n", .wait), ("-CLUSTERDOWN x\r\n", .wait), ("-READONLY x\r\n", .wait),
    ] as [(String, Redirect)])
  func transaction(error: String, expected: Redirect) throws {
    let abort = "-EXECABORT Transaction discarded because of previous errors.\r\n"
    #expect(try self.redirect(0..<4, "+OK\r\n+QUEUED\r\n\(error)\(abort)") == expected)
    #expect(try self.redirect(0..<4, "+OK\r\n\(error)+QUEUED\r\n\(abort)") == expected)
    // Redirected as a whole: by EXEC itself.
    #expect(try self.redirect(0..<4, "+OK\r\n+QUEUED\r\n+QUEUED\r\n\(error)") == expected)
    // The first one counts: it is for the keys that are gone already.
    #expect(
      try self.redirect(0..<4, "+OK\r\n\(error)-MOVED 9 z:9\r\n\(abort)") == expected)
    // It was executed nevertheless: then nothing may be repeated.
    #expect(try self.redirect(0..<3, "+OK\r\n\(error)*1\r\n+OK\r\n") == nil)
  }

  @Test("does not concern a transaction that was executed, aborted for good, or not answered")
  func noRedirect() throws {
    #expect(try self.redirect(0..<3, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n") == nil)
    #expect(try self.redirect(0..<3, "+OK\r\n+QUEUED\r\n*1\r\n-MOVED 1 a:1\r\n") == nil)
    #expect(try self.redirect(0..<3, "+OK\r\n-ERR unknown command\r\n-EXECABORT x\r\n") == nil)
    #expect(try self.redirect(0..<3, "+OK\r\n-OOM x\r\n-EXECABORT x\r\n") == nil)
    let cut = try parsed("+OK\r\n-MOVED 1 a:1\r\n")
    let replies = RedisReplies((0..<2).map { cut.answer($0) } + [.failure(.unanswered("lost"))])
    #expect(Redirect.of(0..<3, replies, asked: Self.asked) == nil)
  }

  /// Without MULTI an EXECABORT belongs to no transaction of ours.
  @Test("does not concern EXEC without MULTI")
  func execAlone() throws {
    #expect(try self.redirect(1..<2, "-MOVED 1 a:1\r\n-EXECABORT x\r\n") == nil)
    #expect(try self.redirect(0..<1, "-ERR EXEC without MULTI\r\n") == nil)
  }
}
