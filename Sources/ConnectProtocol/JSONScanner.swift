/// A strict one-pass scanner of JSON text (RFC 8259), for envelopes whose payload passes through
/// untouched.
///
/// It validates every byte and copies none: a value is answered as the range it occupies. The
/// frame types pull members out of it:
///
///     try scanner.beginObject()
///     while let key = try scanner.nextKey() {
///       let value = try scanner.value()
///       …
///     }
///     try scanner.finish()
///
/// Stricter than the grammar in one point: `\u` escapes of surrogates must come in pairs, since a
/// lone one has no UTF-8, and receivers would choke on what senders got away with (RFC 7493 asks
/// for the same).
struct JSONScanner {
  /// How deep objects and arrays of a client's frame may nest, the frame itself being the first level.
  /// Its body is told to others four levels deeper at most, as the last message of a conversation, and
  /// that is within ``maximumDepth``.
  static let maximumRequestDepth = 508

  /// How deep objects and arrays may nest in what a server says. Foundation's limit, too; what no receiver
  /// can parse is better refused.
  static let maximumDepth = 512

  /// The first fault, after which the scanner is of no more use.
  struct Failure: Error {
    /// A few words, fit to stand before "at byte n".
    var reason: StaticString
    var position: Int
  }

  let bytes: UnsafeRawBufferPointer
  private var position = 0

  /// Whether no element of the container being pulled apart has been read.
  private var isAtFirst = true

  /// Where `bytes` begin in the payload, in whose terms positions are told.
  private let origin: Int

  /// How deep a value that is skipped may nest.
  private let valueDepth: Int

  /// Scans a whole payload.
  init(_ payload: UnsafeRawBufferPointer, maximumDepth: Int = Self.maximumRequestDepth) {
    bytes = payload
    origin = 0
    valueDepth = maximumDepth - 1
  }

  /// Scans a value again, to pull it apart.
  init(_ token: JSONToken) {
    bytes = token.bytes
    origin = token.start
    valueDepth = Self.maximumDepth - 1
  }

  // MARK: Pulling a container apart

  /// Steps into an object.
  mutating func beginObject() throws(Failure) {
    skipWhitespace()
    guard peek() == UInt8(ascii: "{") else { throw failure("expected an object") }
    position += 1
    isAtFirst = true
  }

  /// Steps into an array.
  mutating func beginArray() throws(Failure) {
    skipWhitespace()
    guard peek() == UInt8(ascii: "[") else { throw failure("expected an array") }
    position += 1
    isAtFirst = true
  }

  /// The next member's key, with the scanner at its value; nil at the end of the object.
  mutating func nextKey() throws(Failure) -> JSONToken? {
    guard try hasNext(closing: UInt8(ascii: "}")) else { return nil }
    skipWhitespace()
    guard peek() == UInt8(ascii: "\"") else { throw failure("expected a key") }
    let key = try string()
    try skipColon()
    return key
  }

  /// The next element; nil at the end of the array.
  mutating func nextElement() throws(Failure) -> JSONToken? {
    guard try hasNext(closing: UInt8(ascii: "]")) else { return nil }
    return try value()
  }

  private mutating func hasNext(closing: UInt8) throws(Failure) -> Bool {
    skipWhitespace()
    let byte = peek()
    if byte == closing {
      position += 1
      isAtFirst = false
      return false
    }
    if isAtFirst {
      isAtFirst = false
    } else {
      guard byte == UInt8(ascii: ",") else { throw failure("expected a comma or the end") }
      position += 1
    }
    return true
  }

  /// Makes sure that nothing follows.
  mutating func finish() throws(Failure) {
    skipWhitespace()
    guard position == bytes.count else { throw failure("expected nothing more") }
  }

  // MARK: Values

  /// The value that begins here, whole and validated.
  mutating func value() throws(Failure) -> JSONToken {
    skipWhitespace()
    let start = position
    let kind: JSONToken.Kind
    switch peek() {
    case UInt8(ascii: "\""):
      return try string()
    case UInt8(ascii: "{"):
      kind = .object
      try skipContainer()
    case UInt8(ascii: "["):
      kind = .array
      try skipContainer()
    default:
      kind = try scalar()
    }
    return token(kind, from: start)
  }

  /// Skips the object or array that begins here. A loop with a bit for each open container, rather
  /// than recursion, so that no input can exhaust a thread's stack.
  private mutating func skipContainer() throws(Failure) {
    var nesting = JSONNesting(maximumDepth: valueDepth)
    repeat {
      // At a value: one that opens a container is done only if that is empty.
      let byte = peek()
      if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
        let isObject = byte == UInt8(ascii: "{")
        guard nesting.open(isObject: isObject) else { throw failure("nested too deep") }
        position += 1
        skipWhitespace()
        guard peek() == nesting.closing else {
          if isObject { try skipKey() }
          continue
        }
      } else if byte == UInt8(ascii: "\"") {
        _ = try skipString()
      } else {
        _ = try scalar()
      }

      // After a value: close what ends here, until a comma leads to the next value.
      while nesting.depth > 0 {
        skipWhitespace()
        let byte = peek()
        if byte == nesting.closing {
          position += 1
          nesting.close()
        } else if byte == UInt8(ascii: ",") {
          position += 1
          if nesting.isInObject { try skipKey() } else { skipWhitespace() }
          break
        } else {
          throw failure("expected a comma or the end")
        }
      }
    } while nesting.depth > 0
  }

  /// Skips a key with its colon, up to the value.
  private mutating func skipKey() throws(Failure) {
    skipWhitespace()
    guard peek() == UInt8(ascii: "\"") else { throw failure("expected a key") }
    _ = try skipString()
    try skipColon()
    skipWhitespace()
  }

  private mutating func skipColon() throws(Failure) {
    skipWhitespace()
    guard peek() == UInt8(ascii: ":") else { throw failure("expected a colon") }
    position += 1
  }

  /// Skips a number or a literal.
  private mutating func scalar() throws(Failure) -> JSONToken.Kind {
    switch peek() {
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      try skipNumber()
      return .number
    case UInt8(ascii: "t"):
      try skipLiteral("true")
      return .true
    case UInt8(ascii: "f"):
      try skipLiteral("false")
      return .false
    case UInt8(ascii: "n"):
      try skipLiteral("null")
      return .null
    default:
      throw failure("expected a value")
    }
  }

  private mutating func skipLiteral(_ literal: StaticString) throws(Failure) {
    guard remaining.starts(with: literal) else { throw failure("expected a value") }
    position += literal.utf8CodeUnitCount
  }

  private mutating func skipNumber() throws(Failure) {
    if peek() == UInt8(ascii: "-") { position += 1 }
    if peek() == UInt8(ascii: "0") { position += 1 } else { try skipDigits() }
    if peek() == UInt8(ascii: ".") {
      position += 1
      try skipDigits()
    }
    if peek() | 0x20 == UInt8(ascii: "e") {
      position += 1
      if peek() == UInt8(ascii: "-") || peek() == UInt8(ascii: "+") { position += 1 }
      try skipDigits()
    }
  }

  /// Skips at least one digit.
  private mutating func skipDigits() throws(Failure) {
    let start = position
    while peek() &- UInt8(ascii: "0") <= 9 { position += 1 }
    guard position > start else { throw failure("expected a digit") }
  }

  // MARK: Strings

  /// The string that begins here, quotes included.
  private mutating func string() throws(Failure) -> JSONToken {
    let start = position
    let isEscaped = try skipString()
    return token(.string, from: start, isEscaped: isEscaped)
  }

  /// Skips the string that begins here.
  ///
  /// - Returns: whether it has escapes.
  private mutating func skipString() throws(Failure) -> Bool {
    var isEscaped = false
    position += 1
    while true {
      skipPlainText()
      switch peek() {
      case UInt8(ascii: "\""):
        position += 1
        return isEscaped
      case UInt8(ascii: "\\"):
        isEscaped = true
        try skipEscape()
      case 0x80...:
        try skipMultibyteText()
      default:
        throw failure("control character in a string")
      }
    }
  }

  /// Skips to the next byte of a string that needs a closer look: a quote, a backslash, a control
  /// character, the start of a multi-byte character.
  ///
  /// Eight bytes at a time, with the classic test for a zero byte in a word
  /// (`(x - 0x01…) & ~x & 0x80…`, "Bit Twiddling Hacks"). Its false positives lie only above a true
  /// one, so the lowest hit is always true.
  @inline(__always)
  private mutating func skipPlainText() {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highBits = ones << 7
    while bytes.count - position >= 8 {
      let word = UInt64(
        littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
      let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
      let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
      let hits =
        (word | ((word &- (ones &* 0x20)) & ~word) | ((quote &- ones) & ~quote)
          | ((backslash &- ones) & ~backslash)) & highBits
      guard hits == 0 else {
        position += hits.trailingZeroBitCount >> 3
        return
      }
      position += 8
    }
    while position < bytes.count {
      switch bytes[position] {
      case 0x00...0x1F, 0x80..., UInt8(ascii: "\""), UInt8(ascii: "\\"): return
      default: position += 1
      }
    }
  }

  /// Skips at least one multi-byte character.
  private mutating func skipMultibyteText() throws(Failure) {
    repeat {
      let length = UTF8Check.multibyteLength(at: position, in: bytes)
      guard length > 0 else { throw failure("not UTF-8") }
      position += length
    } while position < bytes.count && bytes[position] >= 0x80
  }

  private mutating func skipEscape() throws(Failure) {
    let start = position
    position += 1
    switch peek() {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
      UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      position += 1
    case UInt8(ascii: "u"):
      let unit = try hexadecimalUnit()
      if UTF16.isTrailSurrogate(unit) {
        throw Failure(reason: "lone surrogate", position: origin + start)
      }
      guard UTF16.isLeadSurrogate(unit) else { return }
      guard remaining.starts(with: "\\u") else {
        throw Failure(reason: "lone surrogate", position: origin + start)
      }
      position += 1
      guard UTF16.isTrailSurrogate(try hexadecimalUnit()) else {
        throw Failure(reason: "lone surrogate", position: origin + start)
      }
    default:
      throw failure("unknown escape")
    }
  }

  /// Reads the `u` that the scanner is at and its four digits.
  private mutating func hexadecimalUnit() throws(Failure) -> UInt16 {
    position += 1
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let digit = JSONToken.hexadecimalValue(peek()) else {
        throw failure("expected a hexadecimal digit")
      }
      unit = unit << 4 | digit
      position += 1
    }
    return unit
  }
}

// MARK: - Position

extension JSONScanner {
  /// The byte at hand; 0, which no JSON text contains, at the end.
  @inline(__always)
  private func peek() -> UInt8 {
    position < bytes.count ? bytes[position] : 0
  }

  @inline(__always)
  private mutating func skipWhitespace() {
    while true {
      let byte = peek()
      if byte > 0x20 { return }
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
      position += 1
    }
  }

  private var remaining: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[position...])
  }

  /// The token from `start`, which is before the position, up to the position.
  private func token(
    _ kind: JSONToken.Kind, from start: Int, isEscaped: Bool = false
  ) -> JSONToken {
    JSONToken(
      kind: kind, isEscaped: isEscaped, start: origin + start,
      bytes: UnsafeRawBufferPointer(start: bytes.baseAddress! + start, count: position - start))
  }

  /// Cold: a failure here and now.
  @inline(never)
  private func failure(_ reason: StaticString) -> Failure {
    Failure(
      reason: position < bytes.count ? reason : "unexpected end",
      position: origin + position)
  }
}
