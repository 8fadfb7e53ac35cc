/// A JSON value that a `JSONScanner` has validated: where it is, and how to read it.
///
/// Valid only as long as the payload it points into.
struct JSONToken {
  /// Kind of the value.
  enum Kind {
    case object, array, string, number, `true`, `false`, null
  }

  let kind: Kind

  /// Whether this is a string with escapes in it.
  let isEscaped: Bool

  /// Where the value begins in the payload.
  let start: Int

  /// The value's text, of a string with its quotes.
  let bytes: UnsafeRawBufferPointer

  /// The value's place in the payload.
  var range: Range<Int> { start..<(start + bytes.count) }

  /// A string's bytes between the quotes, escapes as they stand.
  private var content: UnsafeRawBufferPointer {
    assert(kind == .string)
    return UnsafeRawBufferPointer(rebasing: bytes[1..<(bytes.count - 1)])
  }

  /// How many bytes a string has between the quotes, an escape counting as it stands.
  var scannedLength: Int { bytes.count - 2 }

  /// Calls `read` with a string's bytes, escapes resolved.
  @inline(__always)
  func withText<Result>(_ read: (UnsafeRawBufferPointer) -> Result) -> Result {
    isEscaped ? unescaped().withUnsafeBytes(read) : read(content)
  }

  /// A string's text.
  var text: String { withText { String(decoding: $0, as: UTF8.self) } }

  /// An unsigned number written as such: no fraction, no exponent, no sign.
  var unsigned: UInt64? { kind == .number ? DecimalText.parse(bytes) : nil }

  /// A boolean's value.
  var bool: Bool? {
    switch kind {
    case .true: true
    case .false: false
    default: nil
    }
  }

  /// Whether this is the string `literal`, however it is escaped: lets a `switch` over a key or a
  /// type list its cases as literals, none of which may need escaping.
  @inline(__always)
  static func ~= (literal: StaticString, token: JSONToken) -> Bool {
    if token.isEscaped { return token.unescapesTo(literal) }
    return token.scannedLength == literal.utf8CodeUnitCount
      && token.content.starts(with: literal)
  }
}

// MARK: - Escapes: the slow path

extension JSONToken {
  /// Compares only as far as the two agree: a key is compared with every name that a frame may have,
  /// and a frame may be full of keys.
  @inline(never)
  private func unescapesTo(_ literal: StaticString) -> Bool {
    guard begins(with: literal.utf8Start[0]) else { return false }
    var text = UnescapedText(content)
    return text.isRest(literal)
  }

  /// Whether a string with escapes begins with a letter.
  private func begins(with letter: UInt8) -> Bool {
    guard bytes[1] == UInt8(ascii: "\\") else { return bytes[1] == letter }
    // No other escape stands for a letter.
    return bytes[2] == UInt8(ascii: "u") && UnescapedText.unit(at: 3, in: bytes) == letter
  }

  /// A string's bytes, escapes resolved.
  @inline(never)
  private func unescaped() -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(content.count)
    var text = UnescapedText(content)
    while let byte = text.next() { result.append(byte) }
    return result
  }

  /// The value of a hexadecimal digit.
  static func hexadecimalValue(_ byte: UInt8) -> UInt16? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt16(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt16(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt16(byte - UInt8(ascii: "A") + 10)
    default: nil
    }
  }
}

extension UnsafeRawBufferPointer {
  /// Whether the first bytes are those of `literal`.
  @inline(__always)
  func starts(with literal: StaticString) -> Bool {
    guard count >= literal.utf8CodeUnitCount else { return false }
    for index in 0..<literal.utf8CodeUnitCount where self[index] != literal.utf8Start[index] {
      return false
    }
    return true
  }
}
