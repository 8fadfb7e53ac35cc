/// The XOR that hides a client's payload from naive intermediaries (RFC 6455 §5.3); applied twice
/// it undoes itself.
enum WebSocketMask {
  /// Masks or unmasks a payload in place, 8 bytes at a time.
  ///
  /// `bytes` begins at the payload's first byte, so that the key begins with its own first byte,
  /// the most significant of `key`. A word is two repetitions of the key, so each word begins there
  /// too; loads and stores are unaligned, which leaves no odd bytes at the front to rotate for.
  static func apply(_ key: UInt32, to bytes: UnsafeMutableRawBufferPointer) {
    let half = UInt64(key.bigEndian)
    let word = half << 32 | half
    let wordsEnd = bytes.count & ~7
    var index = 0
    while index < wordsEnd {
      let masked = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) ^ word
      bytes.storeBytes(of: masked, toByteOffset: index, as: UInt64.self)
      index += 8
    }
    while index < bytes.count {
      bytes[index] ^= UInt8(truncatingIfNeeded: key >> UInt32(24 - (index & 3) * 8))
      index += 1
    }
  }
}
