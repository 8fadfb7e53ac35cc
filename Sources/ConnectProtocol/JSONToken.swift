/// A JSON value that a `JSONScanner` has validated: where it is, and how to read it.
///
/// Valid only as long as the payload it points into.
struct JSONToken {
  /// What the value is.
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
  @inline(never)
  private func unescapesTo(_ literal: StaticString) -> Bool {
    // The longest escape of an ASCII character has six bytes.
    guard scannedLength <= 6 * literal.utf8CodeUnitCount else { return false }
    let text = unescaped()
    return text.count == literal.utf8CodeUnitCount
      && text.withUnsafeBytes { $0.starts(with: literal) }
  }

  /// A string's bytes, escapes resolved.
  @inline(never)
  private func unescaped() -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(content.count)
    var rest = content[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\"), let escape = rest.popFirst() else {
        result.append(byte)
        continue
      }
      switch escape {
      case UInt8(ascii: "b"): result.append(0x08)
      case UInt8(ascii: "f"): result.append(0x0C)
      case UInt8(ascii: "n"): result.append(0x0A)
      case UInt8(ascii: "r"): result.append(0x0D)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "u"): result.append(contentsOf: Self.character(&rest).utf8)
      default: result.append(escape)
      }
    }
    return result
  }

  /// Takes the digits after a `\u`, and the second half of a pair, off `rest`.
  private static func character(_ rest: inout Slice<UnsafeRawBufferPointer>) -> Unicode.Scalar {
    func unit() -> UInt16 {
      let digits = rest.prefix(4)
      rest = rest.dropFirst(4)
      return digits.reduce(0) { $0 << 4 | (hexadecimalValue($1) ?? 0) }
    }
    let first = unit()
    guard UTF16.isLeadSurrogate(first) else { return Unicode.Scalar(first) ?? "\u{FFFD}" }
    rest = rest.dropFirst(2)
    return UTF16.decode(UTF16.EncodedScalar([first, unit()]))
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
