package enum LocalRedisReply: Sendable, Hashable {
  /// A simple or a bulk string. Bytes that are not UTF-8 are replaced.
  case string(String)
  case integer(Int)
  /// A null string or array.
  case null
  /// The elements may differ in kind.
  case array([LocalRedisReply])
  /// An error within an array, as in the reply to EXEC. Alone, an error is thrown.
  case error(String)

  package var string: String? {
    guard case .string(let string) = self else { return nil }
    return string
  }

  package var integer: Int? {
    guard case .integer(let integer) = self else { return nil }
    return integer
  }

  package var array: [LocalRedisReply]? {
    guard case .array(let array) = self else { return nil }
    return array
  }
}
