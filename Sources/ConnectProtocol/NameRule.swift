/// The rule for a kind of name: its longest length in bytes, and its ASCII alphabet.
///
/// All names of the protocol are of this kind, so that they need no escaping in JSON, no
/// normalisation, and mean the same in a Redis key, a metric and a log line.
struct NameRule {
  /// The shortest name, in bytes.
  static let minimumLength = 1

  /// The longest name, in bytes.
  let maximumLength: Int

  /// One bit for each ASCII character that a name may contain, from the lowest up.
  private let allowed: (low: UInt64, high: UInt64)

  /// Letters, digits and `punctuation`.
  init(maximumLength: Int, punctuation: StaticString) {
    var low: UInt64 = 0
    var high: UInt64 = 0
    func allow(_ byte: UInt8) {
      if byte < 64 { low |= 1 << byte } else { high |= 1 << (byte - 64) }
    }
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).forEach(allow)
    (UInt8(ascii: "a")...UInt8(ascii: "z")).forEach(allow)
    (UInt8(ascii: "0")...UInt8(ascii: "9")).forEach(allow)
    punctuation.withUTF8Buffer { $0.forEach(allow) }
    self.maximumLength = maximumLength
    self.allowed = (low, high)
  }

  /// Whether `bytes` are a name.
  func accepts(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count >= Self.minimumLength, bytes.count <= maximumLength else { return false }
    for byte in bytes {
      let word = byte < 64 ? allowed.low : allowed.high
      guard byte < 128, (word >> UInt64(byte & 63)) & 1 == 1 else { return false }
    }
    return true
  }

  /// `bytes` as text, if they are a name.
  func text(_ bytes: UnsafeRawBufferPointer) -> String? {
    accepts(bytes) ? String(decoding: bytes, as: UTF8.self) : nil
  }

  /// `text` itself, if it is a name.
  func text(_ text: String) -> String? {
    var text = text
    return text.withUTF8 { accepts(UnsafeRawBufferPointer($0)) } ? text : nil
  }
}
