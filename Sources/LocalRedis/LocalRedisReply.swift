/// What a private server has answered to a command.
package enum LocalRedisReply: Sendable, Hashable {
  /// A simple or a bulk string. Bytes that are not UTF-8 are replaced.
  case string(String)
  /// A number.
  case integer(Int)
  /// No string, or no array.
  case null
  /// Replies, which may differ in kind.
  case array([LocalRedisReply])
  /// An error within an array, as in what EXEC answers. Alone, an error is thrown.
  case error(String)

  /// The text of a string; nil if this is something else.
  package var string: String? {
    guard case .string(let string) = self else { return nil }
    return string
  }

  /// The value of an integer; nil if this is something else.
  package var integer: Int? {
    guard case .integer(let integer) = self else { return nil }
    return integer
  }

  /// The replies of an array; nil if this is something else.
  package var array: [LocalRedisReply]? {
    guard case .array(let array) = self else { return nil }
    return array
  }
}
