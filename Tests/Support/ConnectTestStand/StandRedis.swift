import LocalRedis
import MessageBus
import NIOCore
import Redis

package enum RedisValue: Sendable, Hashable, CustomStringConvertible {
  case none
  case string(String)
  case integer(Int)
  case array([RedisValue])

  init(from cursor: inout ReplyCursor) throws(RedisError) {
    if cursor.isNil {
      cursor.skip()
      self = .none
      return
    }
    var ahead = cursor
    if let text = (try? ahead.string()) ?? nil {
      cursor = ahead
      self = .string(text)
      return
    }
    ahead = cursor
    if let number = try? ahead.integer() {
      cursor = ahead
      self = .integer(number)
      return
    }
    var values: [RedisValue] = []
    for _ in 0..<(try cursor.array() ?? 0) { values.append(try RedisValue(from: &cursor)) }
    self = .array(values)
  }

  package var string: String? { if case .string(let text) = self { text } else { nil } }
  package var integer: Int? { if case .integer(let number) = self { number } else { nil } }
  /// The elements of an array; none for anything else.
  package var array: [RedisValue] { if case .array(let values) = self { values } else { [] } }

  /// As redis-cli would show it, on one line.
  package var description: String {
    switch self {
    case .none: "nil"
    case .string(let text): "\"\(text)\""
    case .integer(let number): "\(number)"
    case .array(let values): "[\(values.map(\.description).joined(separator: ", "))]"
    }
  }
}

/// An entry of a stream, read by hand.
package struct RedisStreamEntry: Sendable, Hashable {
  package let id: String
  package let fields: [String: String]
}

/// Redis by hand, for what tests look at and break.
package struct StandRedis: Sendable {
  /// They tell which Redis has a key.
  let keys: Keys
  /// For what has typed commands.
  package let client: any RedisClient

  /// Executes one command.
  @discardableResult
  package func callAsFunction(_ words: String...) async throws -> RedisValue {
    try await self.execute(words)
  }

  @discardableResult
  package func execute(_ words: [String]) async throws -> RedisValue {
    var batch = RedisBatch()
    batch.append(key: words.count > 1 ? self.keys.key(named: words[1]) : nil, words: words)
    var cursor = try await self.client.execute(batch).cursor(0)
    return try RedisValue(from: &cursor)
  }

  /// All entries of a stream, oldest first.
  package func entries(of stream: RedisKey) async throws -> [RedisStreamEntry] {
    try await self("XRANGE", "\(stream)", "-", "+").array.map { entry in
      let words = entry.array[1].array.compactMap(\.string)
      let pairs = stride(from: 0, to: words.count - 1, by: 2).map { (words[$0], words[$0 + 1]) }
      return RedisStreamEntry(
        id: entry.array[0].string ?? "", fields: Dictionary(pairs) { _, last in last })
    }
  }

  /// The number of entries of a stream.
  package func length(of stream: RedisKey) async throws -> Int {
    try await self("XLEN", "\(stream)").integer ?? 0
  }
}
