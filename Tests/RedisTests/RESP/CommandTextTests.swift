import Testing

@testable import Redis

@Suite("An encoded command")
struct CommandTextTests {
  private func text(_ words: [String]) -> CommandText {
    CommandText(RedisBatch(words).encoded(0))
  }

  static let examples: [(String, name: String, key: String?)] = [
    ("GET k", "GET", "k"), ("get k", "GET", "k"), ("HSET {a}k f v", "HSET", "{a}k"),
    ("XADD k NOMKSTREAM * m 1", "XADD", "k"), ("XINFO STREAM k", "XINFO", "k"),
    ("XINFO GROUPS k", "XINFO", "k"), ("OBJECT ENCODING k", "OBJECT", "k"),
    ("MEMORY USAGE k", "MEMORY", "k"), ("EVAL script 2 k1 k2 a", "EVAL", "k1"),
    ("EVALSHA 0123 1 k a", "EVALSHA", "k"), ("EVALSHA 0123 0", "EVALSHA", nil),
    ("XREAD COUNT 1 BLOCK 5 STREAMS k 0", "XREAD", "k"), ("XREAD COUNT 1", "XREAD", nil),
    ("XREADGROUP GROUP g c COUNT 1 STREAMS k >", "XREADGROUP", "k"),
    ("SCRIPT LOAD return", "SCRIPT", nil), ("WAIT 1 100", "WAIT", nil), ("PING", "PING", nil),
    ("PING k", "PING", nil), ("MULTI", "MULTI", nil), ("EXEC", "EXEC", nil), ("TIME", "TIME", nil),
    ("INFO server", "INFO", nil), ("GET", "GET", nil),
  ]

  @Test("tells its name and the first key that it touches", arguments: examples)
  func keys(line: String, name: String, key: String?) {
    let words = line.split(separator: " ").map(String.init)
    let text = self.text(words)
    #expect(text.name == name)
    #expect(text.key == key.map { Array($0.utf8) })
  }

  @Test("is read whatever its words contain")
  func anyBytes() {
    let words = ["SET", "a\r\n$3\r\nb", "\r\n"]
    #expect(text(words) == text(["SET", "a\r\n$3\r\nb"]))
    #expect(text(words).key == Array("a\r\n$3\r\nb".utf8))
    #expect(text(["GET", ""]).key == [])
    var batch = RedisBatch()
    let raw: [UInt8] = [0, 13, 10, 255]
    batch.append(arguments: 2, key: nil, bytes: 7) { writer in
      writer.bulk("GET")
      raw.withUnsafeBytes { writer.bulk($0) }
    }
    #expect(CommandText(batch.encoded(0)).key == raw)
  }

  @Test("that is none has no name")
  func none() {
    for text in ["", "*", "*x\r\n", "*0\r\n", "PING\r\n", "*1\r\n$4\r\n"] {
      #expect(CommandText(Array(text.utf8)).key == nil)
    }
    #expect(CommandText([UInt8]()).name == "")
  }

  /// Every command that goes to a cluster, and whether it may be executed twice. One that is missing
  /// here was not thought about.
  static let table: [(String, Bool)] = [
    // Look only.
    ("EXISTS", true), ("GET", true), ("HEXISTS", true), ("HGET", true), ("HGETALL", true),
    ("HLEN", true), ("HMGET", true), ("INFO", true), ("PING", true), ("PTTL", true),
    ("SCARD", true), ("SMEMBERS", true), ("SRANDMEMBER", true), ("TIME", true), ("TTL", true),
    ("WAIT", true), ("XINFO", true), ("XLEN", true), ("XPENDING", true), ("XRANGE", true),
    ("XREAD", true), ("XREVRANGE", true),
    // The same twice is the same once: a script is known by its text, a lifetime begins now.
    ("EXPIRE", true), ("PEXPIRE", true), ("SCRIPT", true),
    // Adds or counts.
    ("XADD", false), ("HINCRBY", false),
    // Answers differently the second time.
    ("DEL", false), ("HSETNX", false), ("SADD", false), ("SREM", false), ("SET", false),
    ("HSET", false), ("HDEL", false), ("XACK", false), ("XDEL", false), ("XTRIM", false),
    // Gives entries to a consumer, which would not get them again.
    ("XREADGROUP", false), ("XGROUP", false),
    // Does anything.
    ("EVAL", false), ("EVALSHA", false), ("MULTI", false), ("EXEC", false),
    // Others, of tests and tools.
    ("INCR", false), ("RPUSH", false), ("FLUSHALL", false), ("NOSUCHCOMMAND", false),
  ]

  @Test("may be executed twice only if that changes nothing", arguments: table)
  func repeatable(name: String, isRepeatable: Bool) {
    #expect(text([name, "k", "k", "k"]).isRepeatable == isRepeatable)
    #expect(text([name.lowercased(), "k"]).isRepeatable == isRepeatable)
  }
}
