/// Reads a reply in RESP2 (redis.io/docs/reference/protocol-spec) from the bytes that have come.
///
/// It starts from the first byte with each piece that comes: the fixture's replies are short.
struct ReplyParser {
  enum Failure: Error {
    /// The reply continues after these bytes.
    case incomplete
    /// The bytes are not RESP2.
    case malformed
  }

  private let bytes: [UInt8]
  private var position = 0
  private var depth = 0

  private init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// Parses a reply; nil if the bytes are only its beginning.
  static func parse(_ bytes: [UInt8]) throws(Failure) -> LocalRedisReply? {
    var parser = ReplyParser(bytes)
    do throws(Failure) {
      let reply = try parser.reply()
      // One command was sent, so one reply is all there can be.
      guard parser.position == bytes.count else { throw .malformed }
      return reply
    } catch .incomplete {
      return nil
    }
  }

  private mutating func reply() throws(Failure) -> LocalRedisReply {
    guard position < bytes.count else { throw .incomplete }
    let kind = bytes[position]
    position += 1
    switch kind {
    case UInt8(ascii: "+"): return .string(try line())
    case UInt8(ascii: "-"): return .error(try line())
    case UInt8(ascii: ":"): return .integer(try number())
    case UInt8(ascii: "$"): return try bulk()
    case UInt8(ascii: "*"): return try array()
    default: throw .malformed
    }
  }

  private mutating func bulk() throws(Failure) -> LocalRedisReply {
    guard let count = try length() else { return .null }
    guard bytes.count - position >= count + 2 else { throw .incomplete }
    guard bytes[position + count] == UInt8(ascii: "\r"),
      bytes[position + count + 1] == UInt8(ascii: "\n")
    else { throw .malformed }
    defer { position += count + 2 }
    return .string(String(decoding: bytes[position..<position + count], as: UTF8.self))
  }

  private mutating func array() throws(Failure) -> LocalRedisReply {
    guard let count = try length() else { return .null }
    depth += 1
    guard depth <= LocalRedisLimits.replyDepth else { throw .malformed }
    var replies: [LocalRedisReply] = []
    for _ in 0..<count { replies.append(try reply()) }
    depth -= 1
    return .array(replies)
  }

  /// A length; nil for -1, which means null.
  private mutating func length() throws(Failure) -> Int? {
    let length = try number()
    guard length >= -1, length <= LocalRedisLimits.replyBytes else { throw .malformed }
    return length < 0 ? nil : length
  }

  private mutating func number() throws(Failure) -> Int {
    guard let number = Int(try line()) else { throw .malformed }
    return number
  }

  private mutating func line() throws(Failure) -> String {
    guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\r")), end + 1 < bytes.count
    else { throw .incomplete }
    guard bytes[end + 1] == UInt8(ascii: "\n") else { throw .malformed }
    defer { position = end + 2 }
    return String(decoding: bytes[position..<end], as: UTF8.self)
  }
}
