@testable import Redis

/// A reply as a tree: to be compared, or changed and put together again.
package indirect enum ReplyTree: Sendable, Hashable {
  case bytes([UInt8])
  case integer(Int)
  case null
  case error(String)
  case array([ReplyTree])

  /// Reads one value with all that it contains.
  package init(from cursor: inout ReplyCursor) throws(RedisError) {
    if let error = cursor.error {
      cursor.skip()
      self = .error(error.message)
    } else if cursor.isNil {
      cursor.skip()
      self = .null
    } else if let number = Self.ahead(
      &cursor,
      { (cursor) throws(RedisError) in
        try cursor.integer()
      })
    {
      self = .integer(number)
    } else if let bytes = Self.ahead(
      &cursor,
      { (cursor) throws(RedisError) in
        try cursor.bytes().map { Array($0) } ?? []
      })
    {
      self = .bytes(bytes)
    } else {
      var elements: [ReplyTree] = []
      for _ in 0..<(try cursor.array() ?? 0) { elements.append(try ReplyTree(from: &cursor)) }
      self = .array(elements)
    }
  }

  private static func ahead<Value>(
    _ cursor: inout ReplyCursor, _ read: (inout ReplyCursor) throws(RedisError) -> Value
  ) -> Value? {
    var ahead = cursor
    guard let value = try? read(&ahead) else { return nil }
    cursor = ahead
    return value
  }

  package static func string(_ text: String) -> ReplyTree { .bytes(Array(text.utf8)) }

  package var string: String? {
    if case .bytes(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil }
  }
  package var integer: Int? { if case .integer(let number) = self { number } else { nil } }
  /// The elements of an array; none for anything else.
  package var array: [ReplyTree] { if case .array(let elements) = self { elements } else { [] } }

  /// The value of a field, in what is a list of names and values.
  package subscript(name: String) -> ReplyTree? {
    let elements = self.array
    return elements.firstIndex(of: .string(name)).map { elements[$0 + 1] }
  }

  /// Its bytes in RESP2.
  package var encoded: [UInt8] {
    switch self {
    case .bytes(let bytes): Array("$\(bytes.count)\r\n".utf8) + bytes + Array("\r\n".utf8)
    case .integer(let number): Array(":\(number)\r\n".utf8)
    case .null: Array("$-1\r\n".utf8)
    case .error(let text):
      Array("-".utf8) + text.utf8.map { $0 == 0x0d || $0 == 0x0a ? 0x20 : $0 }
        + Array("\r\n".utf8)
    case .array(let elements):
      Array("*\(elements.count)\r\n".utf8) + elements.flatMap(\.encoded)
    }
  }
}

extension ReplyTree: ExpressibleByStringLiteral {
  package init(stringLiteral text: String) { self = .string(text) }
}

extension ReplyTree: CustomStringConvertible {
  /// As redis-cli would show it, on one line.
  package var description: String {
    switch self {
    case .bytes(let bytes): "\"\(String(decoding: bytes, as: UTF8.self))\""
    case .integer(let number): "\(number)"
    case .null: "nil"
    case .error(let text): "(error) \(text)"
    case .array(let elements): "[\(elements.map(\.description).joined(separator: ", "))]"
    }
  }
}

extension RedisReplies {
  /// The reply to the command at `index`, an error of the server's included.
  package func tree(_ index: Int) throws(RedisError) -> ReplyTree {
    do throws(RedisError) {
      var cursor = try self.cursor(index)
      return try ReplyTree(from: &cursor)
    } catch .server(let error) {
      return .error(error.message)
    }
  }

  /// The replies to all commands.
  package var trees: [ReplyTree] {
    get throws { try (0..<self.count).map(self.tree) }
  }
}
