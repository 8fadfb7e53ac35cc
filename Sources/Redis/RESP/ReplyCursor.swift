import CHiredis

/// Reads one reply front to back: an array's header, then its elements, and so on down.
///
/// Flat and in order, as the reply lies in memory: no tree is built, no element allocated. Bytes
/// that it hands out live as long as the ``RedisReplies`` they came from.
///
/// Total: whatever Redis, or what is between, has answered, reading goes no further than the reply.
/// A read behind the last value throws, so no caller needs to check that an array has as many
/// elements as its command's documentation says.
package struct ReplyCursor: Sendable {
  private let arena: ReplyArena
  private var index: Int
  /// Index after the last value of the reply.
  private let end: Int

  init(arena: ReplyArena, nodes: Range<Int>) {
    self.arena = arena
    self.index = nodes.lowerBound
    self.end = nodes.upperBound
  }

  private mutating func next(_ wanted: StaticString) throws(RedisError) -> connect_node {
    guard self.index < self.end else {
      throw .unexpectedReply("expected \(wanted), got no more")
    }
    defer { self.index += 1 }
    return self.arena.node(self.index)
  }

  /// Whether the next value is nil; nothing is consumed.
  package var isNil: Bool {
    self.index < self.end && self.arena.node(self.index).type == REDIS_REPLY_NIL
  }

  /// The number of elements that follow, or nil for a nil array.
  package mutating func array() throws(RedisError) -> Int? {
    let node = try self.next("an array")
    switch node.type {
    case REDIS_REPLY_ARRAY: return Int(node.count)
    case REDIS_REPLY_NIL: return nil
    default: throw Self.unexpected(node, "an array")
    }
  }

  /// The bytes of a bulk or status string, or nil for nil.
  package mutating func bytes() throws(RedisError) -> UnsafeRawBufferPointer? {
    let node = try self.next("a string")
    switch node.type {
    case REDIS_REPLY_STRING, REDIS_REPLY_STATUS: return self.arena.bytes(of: node)
    case REDIS_REPLY_NIL: return nil
    default: throw Self.unexpected(node, "a string")
    }
  }

  /// A bulk or status string that may outlast the cursor, or nil for nil.
  package mutating func slice() throws(RedisError) -> ReplyBytes? {
    let node = try self.next("a string")
    switch node.type {
    case REDIS_REPLY_STRING, REDIS_REPLY_STATUS:
      let start = Int(node.value)
      return ReplyBytes(arena: self.arena, bytes: start..<start + Int(node.count))
    case REDIS_REPLY_NIL: return nil
    default: throw Self.unexpected(node, "a string")
    }
  }

  /// A bulk or status string, or nil for nil. Bytes that are not UTF-8 are repaired.
  package mutating func string() throws(RedisError) -> String? {
    try self.bytes().map { String(decoding: $0, as: UTF8.self) }
  }

  /// An integer of any 64-bit value: adding to it can overflow. See ``count()``.
  package mutating func integer() throws(RedisError) -> Int {
    let node = try self.next("an integer")
    guard node.type == REDIS_REPLY_INTEGER else { throw Self.unexpected(node, "an integer") }
    return Int(node.value)
  }

  /// How many there are of something: an integer from 0 to ``RedisLimits/maximumCount``. Some of them
  /// may be added up.
  package mutating func count() throws(RedisError) -> Int {
    let count = try self.integer()
    guard (0...RedisLimits.maximumCount).contains(count) else {
      throw .unexpectedReply("expected a count, got \(count)")
    }
    return count
  }

  /// Skips the next value with all that it contains; at the end, nothing.
  package mutating func skip() {
    var left = 1
    while left > 0, self.index < self.end {
      let node = self.arena.node(self.index)
      self.index += 1
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
  /// consumed. Of its text, the first ``RedisLimits/maximumErrorBytes``.
  package var error: RedisServerError? {
    guard self.index < self.end else { return nil }
    let node = self.arena.node(self.index)
    guard node.type == REDIS_REPLY_ERROR else { return nil }
    let text = self.arena.bytes(of: node).prefix(RedisLimits.maximumErrorBytes)
    return RedisServerError(String(decoding: text, as: UTF8.self))
  }
}
