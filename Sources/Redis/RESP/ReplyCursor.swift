import CHiredis

/// Reads one reply front to back: an array's header, then its elements, and so on down.
///
/// Flat and in order, as the reply lies in memory: no tree is built, no element allocated. Bytes
/// that it hands out live as long as the ``RedisReplies`` they came from.
public struct ReplyCursor: Sendable {
  private let arena: ReplyArena
  private var index: Int

  init(arena: ReplyArena, index: Int) {
    self.arena = arena
    self.index = index
  }

  private mutating func next() -> connect_node {
    let node = self.arena.node(self.index)
    self.index += 1
    return node
  }

  /// Whether the next value is nil; nothing is consumed.
  public var isNil: Bool { self.arena.node(self.index).type == REDIS_REPLY_NIL }

  /// The number of elements that follow, or nil for a nil array.
  public mutating func array() throws(RedisError) -> Int? {
    let node = self.next()
    switch node.type {
    case REDIS_REPLY_ARRAY: return Int(node.count)
    case REDIS_REPLY_NIL: return nil
    default: throw Self.unexpected(node, "an array")
    }
  }

  /// The bytes of a bulk or status string, or nil for nil.
  public mutating func bytes() throws(RedisError) -> UnsafeRawBufferPointer? {
    let node = self.next()
    switch node.type {
    case REDIS_REPLY_STRING, REDIS_REPLY_STATUS: return self.arena.bytes(of: node)
    case REDIS_REPLY_NIL: return nil
    default: throw Self.unexpected(node, "a string")
    }
  }

  /// A bulk or status string that may outlast the cursor, or nil for nil.
  public mutating func slice() throws(RedisError) -> ReplyBytes? {
    let node = self.next()
    switch node.type {
    case REDIS_REPLY_STRING, REDIS_REPLY_STATUS:
      let start = Int(node.value)
      return ReplyBytes(arena: self.arena, bytes: start..<start + Int(node.count))
    case REDIS_REPLY_NIL: return nil
    default: throw Self.unexpected(node, "a string")
    }
  }

  /// A bulk or status string, or nil for nil. Bytes that are not UTF-8 are repaired.
  public mutating func string() throws(RedisError) -> String? {
    try self.bytes().map { String(decoding: $0, as: UTF8.self) }
  }

  /// An integer.
  public mutating func integer() throws(RedisError) -> Int {
    let node = self.next()
    guard node.type == REDIS_REPLY_INTEGER else { throw Self.unexpected(node, "an integer") }
    return Int(node.value)
  }

  /// Passes over the next value with all that it contains.
  public mutating func skip() {
    var left = 1
    while left > 0 {
      let node = self.next()
      left -= 1
      if node.type == REDIS_REPLY_ARRAY { left += Int(node.count) }
    }
  }

  private static func unexpected(_ node: connect_node, _ wanted: String) -> RedisError {
    let found =
      switch node.type {
      case REDIS_REPLY_STRING, REDIS_REPLY_STATUS: "a string"
      case REDIS_REPLY_ARRAY: "an array"
      case REDIS_REPLY_INTEGER: "an integer"
      case REDIS_REPLY_NIL: "nil"
      default: "an error"
      }
    return .unexpectedReply("expected \(wanted), got \(found)")
  }

  /// The error that the next value is, if it is one, as among the answers of EXEC; nothing is
  /// consumed.
  public var error: RedisServerError? {
    let node = self.arena.node(self.index)
    guard node.type == REDIS_REPLY_ERROR else { return nil }
    return RedisServerError(String(decoding: self.arena.bytes(of: node), as: UTF8.self))
  }
}
