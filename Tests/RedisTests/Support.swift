import NIOCore

@testable import Redis

extension RedisReplies {
  /// The failure of the connection, at `index`.
  func failure(_ index: Int) -> RedisError? {
    do throws(RedisError) {
      _ = try self.cursor(index)
      return nil
    } catch {
      return error
    }
  }
}

extension RedisError {
  var isUnavailable: Bool { if case .unavailable = self { true } else { false } }
  var isUnanswered: Bool { if case .unanswered = self { true } else { false } }
}

extension RedisBatch {
  /// A batch of one command.
  init(_ words: [String]) {
    self.init()
    self.append(arguments: words.count, key: nil, bytes: words.reduce(0) { $0 + $1.utf8.count }) {
      for word in words { $0.bulk(word) }
    }
  }
}

extension RedisBatch {
  /// A transaction whose replies nobody reads as values.
  mutating func transaction(on key: RedisKey, _ body: (inout RedisBatch) -> Void) {
    let skip: Reply<Void>.Read = { cursor throws(RedisError) in cursor.skip() }
    self.transaction(on: key, of: skip, body)
  }

  /// The name of a command.
  func name(of index: Int) -> String {
    let words = String(decoding: self.encoded(index), as: UTF8.self).split(separator: "\r\n")
    return String(words[2])
  }
}
