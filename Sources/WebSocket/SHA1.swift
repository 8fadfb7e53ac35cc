/// SHA-1 (RFC 3174), for the WebSocket handshake alone.
///
/// The handshake uses it to prove that the server understood the request, not to keep a secret, so
/// that SHA-1 is broken does not matter there. Use it for nothing else.
enum SHA1 {
  /// The 20-byte digest of `message`.
  static func digest(of message: [UInt8]) -> [UInt8] {
    var state: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
    var schedule = [UInt32](repeating: 0, count: 80)
    let padded = pad(message)
    for block in stride(from: 0, to: padded.count, by: 64) {
      expand(padded[block..<block + 64], into: &schedule)
      compress(schedule, into: &state)
    }
    return state.flatMap(bigEndianBytes)
  }

  /// Adds a one bit, zeros, and the length in bits, to a multiple of 64 bytes (§4).
  private static func pad(_ message: [UInt8]) -> [UInt8] {
    var padded = message
    padded.append(0x80)
    while padded.count % 64 != 56 { padded.append(0) }
    padded += bigEndianBytes(UInt64(message.count) * 8)
    return padded
  }

  /// Stretches a block's 16 words to 80 (§6.1, steps a and b).
  private static func expand(_ block: ArraySlice<UInt8>, into schedule: inout [UInt32]) {
    for t in 0..<16 {
      let at = block.startIndex + t * 4
      schedule[t] = block[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
    for t in 16..<80 {
      let mixed = schedule[t - 3] ^ schedule[t - 8] ^ schedule[t - 14] ^ schedule[t - 16]
      schedule[t] = rotateLeft(mixed, by: 1)
    }
  }

  /// Mixes a block into the state (§6.1, steps c to e; the functions and constants are §5's).
  private static func compress(_ schedule: [UInt32], into state: inout [UInt32]) {
    var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
    for t in 0..<80 {
      let (f, k): (UInt32, UInt32) =
        switch t {
        case 0..<20: ((b & c) | (~b & d), 0x5A82_7999)
        case 20..<40: (b ^ c ^ d, 0x6ED9_EBA1)
        case 40..<60: ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC)
        default: (b ^ c ^ d, 0xCA62_C1D6)
        }
      let next = rotateLeft(a, by: 5) &+ f &+ e &+ schedule[t] &+ k
      (a, b, c, d, e) = (next, a, rotateLeft(b, by: 30), c, d)
    }
    for (index, word) in [a, b, c, d, e].enumerated() { state[index] &+= word }
  }

  private static func rotateLeft(_ word: UInt32, by count: UInt32) -> UInt32 {
    word << count | word >> (32 - count)
  }

  private static func bigEndianBytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian, Array.init)
  }
}
