import MessageBus
import NIOCore
import Redis
import TestSupport

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
  package func callAsFunction(_ words: String...) async throws -> ReplyTree {
    try await self.execute(words)
  }

  @discardableResult
  package func execute(_ words: [String]) async throws -> ReplyTree {
    let key = words.count > 1 ? self.keys.key(named: words[1]) : nil
    return try await self.client.value {
      $0.append(key: key, words: words).reading(ReplyTree.init(from:))
    }
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
