import NIOCore
import TestSupport
import Testing

@testable import Redis

@Suite("The replies to a batch")
struct ReplyCursorTests {
  private func replies(
    _ text: String, count: Int? = nil, failure: RedisError? = nil
  ) throws -> RedisReplies {
    var reader = ReplyReader()
    let arena = ReplyArena(expecting: 1)
    reader.use(arena)
    try Array(text.utf8).withUnsafeBytes { try reader.feed($0) }
    while try reader.next() {}
    return RedisReplies(arena: arena, count: count ?? arena.roots.count, failure: failure)
  }

  @Test("are each reachable, in any order and more than once")
  func anyOrder() throws {
    let replies = try replies("+a\r\n*2\r\n:1\r\n:2\r\n$1\r\nb\r\n")
    for index in [2, 0, 1, 1, 2] {
      var cursor = try replies.cursor(index)
      let expected: [ReplyTree] = [.string("a"), .array([.integer(1), .integer(2)]), .string("b")]
      #expect(try ReplyTree(from: &cursor) == expected[index])
    }
    try replies.check()
  }

  @Test("throw Redis's own words for an error, and leave the others intact")
  func errors() throws {
    let replies = try replies("+a\r\n-OOM command not allowed\r\n+c\r\n")
    #expect(
      replies.failure(1) == .server(RedisServerError("OOM command not allowed")))
    #expect(replies.failure(0) == nil)
    #expect(replies.failure(2) == nil)
    #expect(throws: RedisError.server(RedisServerError("OOM command not allowed"))) {
      try replies.check()
    }
  }

  @Test("that did not come have the connection's failure")
  func unanswered() throws {
    let replies = try replies("+a\r\n+b\r\n", count: 4, failure: .unanswered("gone"))
    #expect(replies.failure(0) == nil)
    #expect(replies.failure(1) == nil)
    #expect(replies.failure(2) == .unanswered("gone"))
    #expect(replies.failure(3) == .unanswered("gone"))
  }

  @Test("tell a wrong type from a right one, and nil from both")
  func types() throws {
    let replies = try replies("$1\r\na\r\n:1\r\n*0\r\n$-1\r\n+s\r\n*1\r\n-ERR x\r\n")
    func refusal<R>(
      _ index: Int, _ read: (inout ReplyCursor) throws -> R
    ) throws -> RedisError? {
      var cursor = try replies.cursor(index)
      do {
        _ = try read(&cursor)
        return nil
      } catch let error as RedisError {
        return error
      }
    }
    func expected(_ wanted: String, got found: String) -> RedisError {
      .unexpectedReply("expected \(wanted), got \(found)")
    }
    #expect(try refusal(0) { try $0.integer() } == expected("an integer", got: "a string"))
    #expect(try refusal(0) { try $0.array() } == expected("an array", got: "a string"))
    #expect(try refusal(1) { try $0.string() } == expected("a string", got: "an integer"))
    #expect(try refusal(1) { try $0.slice() } == expected("a string", got: "an integer"))
    #expect(try refusal(2) { try $0.bytes() } == expected("a string", got: "an array"))
    #expect(try refusal(3) { try $0.integer() } == expected("an integer", got: "nil"))
    #expect(
      try refusal(5) { cursor in
        _ = try cursor.array()
        return try cursor.string()
      } == expected("a string", got: "an error"))

    var cursor = try replies.cursor(3)
    #expect(cursor.isNil)
    #expect(try cursor.array() == nil)
    cursor = try replies.cursor(3)
    #expect(try cursor.string() == nil)
    cursor = try replies.cursor(3)
    #expect(try cursor.slice() == nil)
    cursor = try replies.cursor(4)
    #expect(try cursor.slice()?.count == 1)
  }

  /// As an empty array where XREADGROUP's streams are expected.
  @Test("end where they end: what is read beyond is refused, and is not the next reply")
  func ends() throws {
    let replies = try replies("*0\r\n*2\r\n:1\r\n*1\r\n+x\r\n+next\r\n")
    func ended(_ wanted: String) -> RedisError {
      .unexpectedReply("expected \(wanted), got no more")
    }
    var cursor = try replies.cursor(0)
    #expect(try cursor.array() == 0)
    #expect(!cursor.isNil)
    #expect(cursor.error == nil)
    for _ in 0..<2 {
      #expect(throws: ended("an array")) { try cursor.array() }
      #expect(throws: ended("a string")) { try cursor.bytes() }
      #expect(throws: ended("a string")) { try cursor.slice() }
      #expect(throws: ended("a string")) { try cursor.string() }
      #expect(throws: ended("an integer")) { try cursor.integer() }
      #expect(throws: ended("an integer")) { try cursor.count() }
      cursor.skip()
    }
    cursor = try replies.cursor(1)
    cursor.skip()
    #expect(throws: ended("a string")) { try cursor.string() }
    cursor = try replies.cursor(2)
    #expect(try cursor.string() == "next")
    #expect(throws: ended("a string")) { try cursor.string() }
  }

  @Test("give counts that can be added up, and refuse what is none")
  func counts() throws {
    let replies = try replies(
      ":0\r\n:281474976710656\r\n:281474976710657\r\n:-1\r\n:9223372036854775807\r\n$1\r\n7\r\n")
    for (index, count) in [0, RedisLimits.maximumCount].enumerated() {
      var cursor = try replies.cursor(index)
      #expect(try cursor.count() == count)
    }
    for index in 2..<6 {
      var cursor = try replies.cursor(index)
      #expect(throws: RedisError.self) { try cursor.count() }
    }
  }

  @Test("give slices that outlast them")
  func slices() throws {
    func slice() throws -> ReplyBytes {
      var cursor = try self.replies("*2\r\n$3\r\nxyz\r\n$10\r\n0123456789\r\n").cursor(0)
      _ = try cursor.array()
      cursor.skip()
      return try #require(try cursor.slice())
    }
    func text(_ bytes: ReplyBytes) -> String {
      bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }
    let slice = try slice()
    #expect(slice.count == 10)
    #expect(text(slice) == "0123456789")
    #expect(text(slice[3..<7]) == "3456")
    #expect(text(slice[3..<7][1..<4]) == "456")
    #expect(text(slice[0..<10]) == "0123456789")
    for empty in [slice[0..<0], slice[10..<10], slice[2..<8][6..<6]] {
      #expect(empty.count == 0)
      #expect(text(empty) == "")
    }
  }

  @Test("pass over a value with all that it contains")
  func skip() throws {
    var cursor = try replies("*3\r\n*2\r\n*1\r\n:1\r\n$-1\r\n*0\r\n:9\r\n").cursor(0)
    #expect(try cursor.array() == 3)
    cursor.skip()
    cursor.skip()
    #expect(try cursor.integer() == 9)
  }

  @Test("repair text that is not UTF-8, and keep its bytes")
  func notUTF8() throws {
    var reader = ReplyReader()
    let arena = ReplyArena(expecting: 1)
    reader.use(arena)
    try (Array("$2\r\n".utf8) + [0xff, 0x41] + Array("\r\n".utf8)).withUnsafeBytes {
      try reader.feed($0)
    }
    while try reader.next() {}
    let replies = RedisReplies(arena: arena, count: 1, failure: nil)
    var cursor = try replies.cursor(0)
    #expect(try cursor.string() == "\u{fffd}A")
    cursor = try replies.cursor(0)
    #expect(try cursor.bytes().map { Array($0) } == [0xff, 0x41])
  }
}
