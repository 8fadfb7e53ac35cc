import Testing

@testable import LocalRedis

@Suite("A reply is parsed")
struct ReplyParserTests {
  private static let replies: [(String, LocalRedisReply)] = [
    ("+OK\r\n", .string("OK")),
    ("-ERR no\r\n", .error("ERR no")),
    (":-7\r\n", .integer(-7)),
    ("$5\r\na\r\nbc\r\n", .string("a\r\nbc")),
    ("$0\r\n\r\n", .string("")),
    ("$-1\r\n", .null),
    ("*-1\r\n", .null),
    ("*0\r\n", .array([])),
    (
      "*3\r\n:1\r\n*2\r\n$1\r\nx\r\n-NO\r\n$-1\r\n",
      .array([.integer(1), .array([.string("x"), .error("NO")]), .null])
    ),
  ]

  @Test("once all of it has come, of every kind", arguments: replies)
  func kinds(text: String, reply: LocalRedisReply) throws {
    let bytes = Array(text.utf8)
    for count in 0..<bytes.count {
      #expect(try ReplyParser.parse(Array(bytes[..<count])) == nil)
    }
    #expect(try ReplyParser.parse(bytes) == reply)
  }

  @Test(
    "or refused, if it is none",
    arguments: [
      "?\r\n", ":x\r\n", "$2\r\nabc\r\n", "$-2\r\n", "+OK\rx", "+OK\r\n+OK\r\n",
      "$99999999999\r\n", "$99999999999999999999999\r\n",
      String(repeating: "*1\r\n", count: 100) + ":1\r\n",
    ])
  func malformed(text: String) {
    #expect(throws: ReplyParser.Failure.malformed) { try ReplyParser.parse(Array(text.utf8)) }
  }
}
