/// What an encoded command is: its name, and the key that it touches first.
///
/// Only for commands that must be sent again, which are few: on the way of a message no command is
/// looked at once it is encoded.
struct CommandText: Equatable {
  /// In upper case.
  let name: String
  /// As Redis sees it; nil for a command without a key.
  let key: [UInt8]?

  /// Reads a command as ``CommandWriter`` encodes it.
  init(_ encoded: some Collection<UInt8>) {
    let words = Self.words(encoded)
    self.name = words.first.map { String(decoding: $0, as: UTF8.self).uppercased() } ?? ""
    let place =
      switch self.name {
      case "XINFO", "OBJECT", "MEMORY": 2
      case "EVAL", "EVALSHA": 3
      case "XREADGROUP", "XREAD":
        (words.firstIndex { $0.elementsEqual("STREAMS".utf8) } ?? words.count) + 1
      case "WAIT", "PING", "SCRIPT", "MULTI", "EXEC", "TIME", "INFO": words.count
      default: 1
      }
    self.key = place < words.count ? Array(words[place]) : nil
  }

  /// Whether the command may be executed twice, and its later answer taken: it changes nothing, or
  /// changes it to the same.
  var isRepeatable: Bool { Self.repeatable.contains(self.name) }

  private static let repeatable: Set<String> = [
    "EXISTS", "EXPIRE", "GET", "HEXISTS", "HGET", "HGETALL", "HLEN", "HMGET", "INFO", "PEXPIRE",
    "PING", "PTTL", "SCARD", "SCRIPT", "SMEMBERS", "SRANDMEMBER", "TIME", "TTL", "WAIT", "XINFO",
    "XLEN", "XPENDING", "XRANGE", "XREAD", "XREVRANGE",
  ]

  private static func words<Bytes: Collection<UInt8>>(_ encoded: Bytes) -> [Bytes.SubSequence] {
    var rest = encoded[...]
    func number() -> Int? {
      guard let end = rest.firstIndex(of: UInt8(ascii: "\r")) else { return nil }
      defer { rest = rest[end...].dropFirst(2) }
      return Int(String(decoding: rest[..<end].dropFirst(), as: UTF8.self))
    }
    var words: [Bytes.SubSequence] = []
    for _ in 0..<(number() ?? 0) {
      guard let length = number() else { break }
      words.append(rest.prefix(length))
      rest = rest.dropFirst(length + 2)
    }
    return words
  }
}
