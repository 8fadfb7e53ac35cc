/// The bytes of a validated JSON string, escapes resolved one at a time: whoever stops early pays
/// for no more than what it has taken.
struct UnescapedText: IteratorProtocol {
  /// The bytes between the quotes.
  private let bytes: UnsafeRawBufferPointer
  /// How much of it has been read.
  private(set) var position = 0
  /// The rest of a character that an escape stands for.
  private var pending: Unicode.UTF8.EncodedScalar.Iterator?

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  @inline(__always)
  mutating func next() -> UInt8? {
    if pending != nil, let byte = pending?.next() { return byte }
    guard position < bytes.count else { return nil }
    let byte = bytes[position]
    position += 1
    return byte == UInt8(ascii: "\\") ? escaped() : byte
  }

  /// Takes the rest of the text, and says whether it is `literal`: up to the first byte that differs,
  /// so that no string costs more than a few times the literal.
  mutating func isRest(_ literal: StaticString) -> Bool {
    for index in 0..<literal.utf8CodeUnitCount where next() != literal.utf8Start[index] {
      return false
    }
    return next() == nil
  }

  /// Takes what follows a backslash.
  private mutating func escaped() -> UInt8? {
    guard position < bytes.count else { return nil }
    let escape = bytes[position]
    position += 1
    switch escape {
    case UInt8(ascii: "b"): return 0x08
    case UInt8(ascii: "f"): return 0x0C
    case UInt8(ascii: "n"): return 0x0A
    case UInt8(ascii: "r"): return 0x0D
    case UInt8(ascii: "t"): return 0x09
    case UInt8(ascii: "u"):
      let unit = unit()
      if unit < 0x80 { return UInt8(unit) }
      pending = Unicode.UTF8.encode(character(unit))?.makeIterator()
      return pending?.next()
    default: return escape
    }
  }

  /// The character that begins with the unit just taken; takes the second half of a pair.
  private mutating func character(_ first: UInt16) -> Unicode.Scalar {
    guard UTF16.isLeadSurrogate(first) else { return Unicode.Scalar(first) ?? "\u{FFFD}" }
    // The second half begins with a `\u`, too.
    position += 2
    return UTF16.decode(UTF16.EncodedScalar([first, unit()]))
  }

  /// Takes the four digits after a `\u`.
  private mutating func unit() -> UInt16 {
    defer { position += 4 }
    return Self.unit(at: position, in: bytes)
  }

  /// The number that four hexadecimal digits make, which are known to be such.
  @inline(__always)
  static func unit(at position: Int, in bytes: UnsafeRawBufferPointer) -> UInt16 {
    let word = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
    // Bit 6 is set in those that are letters, and in no other.
    let digits = (word & 0x0F0F_0F0F) &+ ((word >> 6) & 0x0101_0101) &* 9
    return UInt16(
      digits >> 12 & 0xF000 | digits >> 8 & 0x0F00 | digits >> 4 & 0x00F0 | digits & 0x000F)
  }
}
