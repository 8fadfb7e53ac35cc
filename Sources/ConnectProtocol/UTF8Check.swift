/// Validates UTF-8 as the Unicode Standard defines it (table 3-7, well-formed byte sequences): no
/// overlong forms, no surrogates, nothing above U+10FFFF, nothing cut short.
enum UTF8Check {
  /// The length of the well-formed sequence of two to four bytes at `position`; 0 if there is none,
  /// and for an ASCII byte.
  static func multibyteLength(at position: Int, in bytes: UnsafeRawBufferPointer) -> Int {
    let lead = bytes[position]
    let length: Int
    // Only the second byte's range depends on the first: it rules out what is overlong, a
    // surrogate, or too large.
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch lead {
    case 0xC2...0xDF: length = 2
    case 0xE0:
      length = 3
      second = 0xA0...0xBF
    case 0xED:
      length = 3
      second = 0x80...0x9F
    case 0xE1...0xEF: length = 3
    case 0xF0:
      length = 4
      second = 0x90...0xBF
    case 0xF4:
      length = 4
      second = 0x80...0x8F
    case 0xF1...0xF3: length = 4
    default: return 0
    }
    guard bytes.count - position >= length, second.contains(bytes[position + 1]) else { return 0 }
    for index in (position + 2)..<(position + length) where bytes[index] & 0xC0 != 0x80 {
      return 0
    }
    return length
  }

  /// Where the first sequence begins that is not well formed; nil if all are.
  static func firstInvalidByte(in bytes: UnsafeRawBufferPointer) -> Int? {
    var position = 0
    while position < bytes.count {
      if bytes[position] < 0x80 {
        position += 1
        continue
      }
      let length = multibyteLength(at: position, in: bytes)
      if length == 0 { return position }
      position += length
    }
    return nil
  }
}
