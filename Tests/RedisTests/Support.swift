import NIOCore

@testable import Redis

/// A reply as a tree, for comparison.
indirect enum Value: Equatable {
  case string(String)
  case integer(Int)
  case null
  case error(String)
  case array([Value])

  /// Reads one value with all that it contains.
  init(_ cursor: inout ReplyCursor) throws {
    if let error = cursor.error {
      cursor.skip()
      self = .error(error.message)
    } else if cursor.isNil {
      cursor.skip()
      self = .null
    } else if let number = try? cursor.peeking({ try $0.integer() }) {
      cursor.skip()
      self = .integer(number)
    } else if let text = try? cursor.peeking({ try $0.string() }) {
      cursor.skip()
      self = .string(text)
    } else {
      let count = try cursor.array() ?? 0
      self = .array(try (0..<count).map { _ in try Value(&cursor) })
    }
  }
}

extension ReplyCursor {
  fileprivate func peeking<R>(_ read: (inout ReplyCursor) throws -> R) rethrows -> R {
    var copy = self
    return try read(&copy)
  }
}

extension RedisReplies {
  /// What became of each command; the connection's failures in their own words.
  var values: [Value] {
    get throws {
      try (0..<count).map { index in
        do {
          var cursor = try self.cursor(index)
          return try Value(&cursor)
        } catch RedisError.server(let error) {
          return .error(error.message)
        }
      }
    }
  }

  /// What the connection failed with, at `index`.
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
