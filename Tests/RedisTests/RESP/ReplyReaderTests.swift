import NIOCore
import SeededRandom
import TestSupport
import Testing

@testable import Redis

@Suite("The reply reader")
struct ReplyReaderTests {
  /// A reader that #expect can hold.
  private final class Reader {
    private var reader = ReplyReader()
    var hasUnreadBytes: Bool { self.reader.unreadBytes > 0 }
    func use(_ arena: ReplyArena) { self.reader.use(arena) }
    func next() throws(RedisError) -> Bool { try self.reader.next() }
    func feed(_ bytes: [UInt8]) throws {
      try bytes.withUnsafeBytes { try self.reader.feed($0) }
    }
    func feed(_ text: String) throws { try self.feed(Array(text.utf8)) }
  }

  /// Feeds pieces and reads what is whole after each; an arena for every so many replies.
  private func read(
    _ pieces: [[UInt8]], repliesPerArena: Int = .max
  ) throws -> [ReplyTree] {
    let reader = Reader()
    var arenas = [ReplyArena(expecting: 0)]
    reader.use(arenas[0])
    for piece in pieces {
      try reader.feed(piece)
      while try reader.next() {
        if arenas[arenas.count - 1].roots.count == repliesPerArena {
          arenas.append(ReplyArena(expecting: 0))
          reader.use(arenas[arenas.count - 1])
        }
      }
    }
    return try arenas.flatMap { arena in
      try RedisReplies(arena: arena, count: arena.roots.count, failure: nil).trees
    }
  }

  private static let big = String(repeating: "0123456789abcdef", count: 4_096)

  /// Every kind of value that RESP2 has, empty, nested and large.
  private static let replies: [(String, ReplyTree)] = [
    ("+OK\r\n", .string("OK")),
    ("+\r\n", .string("")),
    ("-ERR no\r\n", .error("ERR no")),
    ("-\r\n", .error("")),
    (":0\r\n", .integer(0)),
    (":-9223372036854775808\r\n", .integer(.min)),
    (":9223372036854775807\r\n", .integer(.max)),
    ("$0\r\n\r\n", .string("")),
    ("$-1\r\n", .null),
    ("*-1\r\n", .null),
    ("*0\r\n", .array([])),
    ("$5\r\na\r\nbc\r\n", .string("a\r\nbc")),
    (
      "*4\r\n*0\r\n*2\r\n$1\r\na\r\n*1\r\n:1\r\n$-1\r\n-ERR in here\r\n",
      .array([
        .array([]), .array([.string("a"), .array([.integer(1)])]), .null, .error("ERR in here"),
      ])
    ),
    (
      "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n$1\r\nx\r\n",
      (0..<7).reduce(.string("x")) { value, _ in .array([value]) }
    ),
    ("+last\r\n", .string("last")),
  ]

  private static let stream = replies.flatMap { Array($0.0.utf8) }
  private static let values = replies.map(\.1)

  @Test("reads every kind of value")
  func kinds() throws {
    #expect(try read([Self.stream]) == Self.values)
    #expect(try read([Array("$65536\r\n\(Self.big)\r\n".utf8)]) == [.string(Self.big)])
  }

  @Test("reads the same byte by byte, with an arena for one, two and three replies each")
  func byteByByte() throws {
    for replies in 1...3 {
      #expect(try read(Self.stream.map { [$0] }, repliesPerArena: replies) == Self.values)
    }
  }

  @Test("reads the same however the stream is cut into two")
  func twoParts() throws {
    for cut in 0...Self.stream.count {
      let parts = [Array(Self.stream[..<cut]), Array(Self.stream[cut...])]
      if try read(parts, repliesPerArena: 1) != Self.values { Issue.record("cut at \(cut)") }
    }
  }

  @Test("reads the same however the stream is cut into three")
  func threeParts() throws {
    let stream = Self.stream.suffix(60)
    let values = try read([Array(stream.drop { $0 != UInt8(ascii: "*") })])
    let bytes = Array(stream.drop { $0 != UInt8(ascii: "*") })
    for first in 0...bytes.count {
      for second in first...bytes.count {
        let parts = [bytes[..<first], bytes[first..<second], bytes[second...]].map { Array($0) }
        if try read(parts, repliesPerArena: 1) != values {
          Issue.record("cut at \(first) and \(second)")
        }
      }
    }
  }

  @Test("reads large values in pieces, between small ones")
  func large() throws {
    let one = Array("$65536\r\n\(Self.big)\r\n+OK\r\n".utf8)
    let stream = one + one + one
    let values = [ReplyTree.string(Self.big), .string("OK")]
    for size in [1_000, 1_024, 4_096, 65_536, 100_000] {
      let pieces = stride(from: 0, to: stream.count, by: size).map {
        Array(stream[$0..<min($0 + size, stream.count)])
      }
      #expect(try read(pieces, repliesPerArena: 2) == values + values + values)
    }
  }

  @Test("reads an array of many elements, and passes over it")
  func manyElements() throws {
    let count = 100_000
    let reader = Reader()
    let arena = ReplyArena(expecting: 1)
    reader.use(arena)
    let elements = String(repeating: ":7\r\n$2\r\nab\r\n", count: count / 2)
    let text = "*\(count)\r\n\(elements)+end\r\n"
    try reader.feed(text)
    #expect(try reader.next())
    #expect(try reader.next())
    var cursor = ReplyCursor(arena: arena, nodes: arena.nodes(ofReply: 0))
    cursor.skip()
    #expect(throws: RedisError.self) { try cursor.string() }
    cursor = ReplyCursor(arena: arena, nodes: arena.nodes(ofReply: 1))
    #expect(try cursor.string() == "end")
  }

  /// Between two replies the reader has begun nothing, so whichever arena comes last gets the next.
  @Test("puts a reply into the arena that was in use last before its first byte")
  func arenaBetweenReplies() throws {
    for padding in [0, 1, 100, 1_023, 1_024, 2_000, 20_000] {
      let reader = Reader()
      let first = ReplyArena(expecting: 1)
      let stray = ReplyArena(expecting: 0)
      let second = ReplyArena(expecting: 1)
      reader.use(first)
      let text = "$\(padding)\r\n\(String(repeating: "x", count: padding))\r\n"
      try reader.feed(text)
      #expect(try reader.next())
      reader.use(stray)
      #expect(try !reader.next())
      reader.use(second)
      try reader.feed(":2\r\n")
      #expect(try reader.next())
      #expect(first.roots.count == 1)
      #expect(stray.nodeCount == 0)
      #expect(try RedisReplies(arena: second, count: 1, failure: nil).trees == [.integer(2)])
    }
  }

  @Test("says after a reply whether more bytes came")
  func leftOver() throws {
    let reader = Reader()
    reader.use(ReplyArena(expecting: 1))
    #expect(!reader.hasUnreadBytes)
    try reader.feed("+OK\r\n+")
    #expect(try reader.next())
    #expect(reader.hasUnreadBytes)
    #expect(try !reader.next())
    try reader.feed("OK\r\n")
    #expect(try reader.next())
    #expect(!reader.hasUnreadBytes)
  }

  @Test(
    "refuses what is not RESP2, and stays refused",
    arguments: [
      "hello\r\n", "HTTP/1.1 400 Bad Request\r\n", "\r\n", "\u{15}\u{3}\u{3}\u{0}\u{2}",
      ":12x\r\n", "$x\r\n", "$-2\r\n", "*x\r\n", "*-2\r\n", ":99999999999999999999\r\n",
      // RESP3.
      "%1\r\n+a\r\n+b\r\n", "~1\r\n+a\r\n", ">1\r\n+a\r\n", ",1.5\r\n", "#t\r\n", "_\r\n",
      "(12345678901234567890\r\n", "=7\r\ntxt:abc\r\n", "!5\r\nERR a\r\n",
      "|1\r\n+a\r\n+b\r\n:1\r\n", "%-1\r\n", "~-1\r\n", ">-1\r\n", "|-1\r\n", "=-1\r\n",
      "*2\r\n+a\r\n%1\r\n+a\r\n+b\r\n", "*2\r\n+a\r\n_\r\n", "*1\r\n>-1\r\n",
      // Nested too deep.
      "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    ])
  func refused(text: String) throws {
    let reader = Reader()
    let arena = ReplyArena(expecting: 1)
    reader.use(arena)
    try reader.feed("+OK\r\n\(text)")
    #expect(try reader.next())
    for _ in 0..<2 {
      do throws(RedisError) {
        let isWhole = try reader.next()
        Issue.record("was read: \(isWhole)")
      } catch {
        #expect(error.isUnanswered)
        #expect(error.description.contains("not RESP2"))
        #expect(!error.description.contains("memory"))
      }
    }
    #expect(arena.roots.count == 1)
  }

  @Test("survives any bytes, in any pieces")
  func fuzz() async {
    var generator = SplitMix64(seed: 7)
    let alphabet = Array("*$+-:019\r\n\r\n\r\nax".utf8)
    for round in 0..<20_000 {
      if round % 50 == 0 { await Task.yield() }
      let reader = Reader()
      let arena = ReplyArena(expecting: 0)
      reader.use(arena)
      do {
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
          let piece = (0..<Int.random(in: 0...24, using: &generator)).map { _ in
            alphabet.randomElement(using: &generator)!
          }
          try reader.feed(piece)
          while try reader.next() {}
        }
      } catch {
        // Refused, as most of it must be.
      }
      for reply in arena.roots.indices {
        var cursor = ReplyCursor(arena: arena, nodes: arena.nodes(ofReply: reply))
        cursor.skip()
        #expect(throws: RedisError.self) { try cursor.bytes() }
      }
    }
  }
}
