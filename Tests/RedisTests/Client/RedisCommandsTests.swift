import Testing

@testable import Redis

@Suite("A command of strings, hashes, sets and keys")
struct RedisCommandsTests {
  private static let key = RedisKey(prefix: "k:", tag: "bob")

  typealias Example = (
    name: String, isRepeatable: Bool, append: @Sendable (inout RedisBatch) -> Void
  )

  static let examples: [Example] = [
    // Look only.
    ("GET", true, { $0.value(of: key) }),
    ("EXISTS", true, { _ = $0.exists(key) }),
    ("PTTL", true, { _ = $0.timeToLive(of: key) }),
    ("TTL", true, { _ = $0.secondsToLive(of: key) }),
    ("HGET", true, { _ = $0.value(of: "field", in: key) { $0.skip() } }),
    ("HGETALL", true, { _ = $0.fields(of: key) }),
    ("SMEMBERS", true, { _ = $0.members(of: key) }),
    ("SRANDMEMBER", true, { _ = $0.someMembers(of: key, maximum: 3) }),
    ("SCARD", true, { _ = $0.memberCount(of: key) }),
    // A lifetime begins now.
    ("EXPIRE", true, { $0.expire(key, seconds: 3) }),
    ("PEXPIRE", true, { $0.expire(key, milliseconds: 3) }),
    // Answer differently the second time.
    ("DEL", false, { $0.delete(key) }),
    ("HSET", false, { $0.set([("field", "value")], in: key) }),
    ("HSETNX", false, { $0.setIfMissing("field", to: "value", in: key) }),
    ("SADD", false, { $0.insert("member", into: key) }),
    ("SREM", false, { $0.remove("member", from: key) }),
  ]

  @Test(
    "names its key, and may be executed twice only if that changes nothing", arguments: examples)
  func command(_ example: Example) {
    var batch = RedisBatch()
    batch.append("PING")
    example.append(&batch)
    #expect(batch.count == 2)
    #expect(batch.name(of: 1) == example.name)
    #expect(batch.key(of: 1) == Array("k:{bob}".utf8))
    #expect(batch.commands[1].slot == Self.key.slot)
    #expect(batch.commands[1].isRepeatable == example.isRepeatable)
    // In another batch it is the same.
    var whole = RedisBatch()
    whole.append("MULTI")
    whole.append(batch)
    #expect(whole.key(of: 2) == batch.key(of: 1))
    #expect(whole.commands[2].isRepeatable == example.isRepeatable)
  }

  @Test("of words names the first that is its key, and is repeatable only if it says so")
  func words() {
    var batch = RedisBatch()
    batch.append(key: Self.key, "XINFO", "STREAM", "k:{bob}")
    batch.append(key: Self.key, "SCRIPT", "LOAD", "return", isRepeatable: true)
    batch.append(key: Self.key, "EVAL", "return", "2", "k:{bob}", "l:{bob}")
    #expect(batch.key(of: 0) == Array("k:{bob}".utf8))
    #expect(batch.key(of: 1) == nil)
    #expect(batch.key(of: 2) == Array("k:{bob}".utf8))
    #expect(batch.commands.map(\.isRepeatable) == [false, true, false])
  }

  @Test("is read by its place, and an error reply is thrown unless it is a value")
  func places() throws {
    var batch = RedisBatch()
    let value = batch.value(of: Self.key)
    let count = batch.memberCount(of: Self.key)
    let missing = batch.append("XINFO").reading {
      $0.message == "ERR no" ? 7 : nil
    } _: {
      cursor throws(RedisError) in
      try cursor.integer()
    }
    let replies = try RedisReplies(
      parsing: Array("$5\r\nhello\r\n-WRONGTYPE no set\r\n-ERR no\r\n".utf8), count: 3)
    #expect(try replies[value] == "hello")
    #expect(throws: RedisError.self) { try replies[count] }
    #expect(try replies.unlessRefused(count) == nil)
    #expect(try replies.refusal(of: count)?.code == "WRONGTYPE")
    #expect(try replies.refusal(of: value) == nil)
    #expect(try replies[missing] == 7)
  }

  @Test("that was not answered was not refused")
  func unanswered() {
    var batch = RedisBatch()
    let value = batch.value(of: Self.key)
    let replies = RedisReplies.failed(1, .unanswered("the connection was closed"))
    #expect(throws: RedisError.self) { try replies[value] }
    #expect(throws: RedisError.self) { try replies.refusal(of: value) }
    #expect(throws: RedisError.self) { try replies.unlessRefused(value) }
  }
}
