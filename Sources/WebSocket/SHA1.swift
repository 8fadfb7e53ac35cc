/// SHA-1 (FIPS 180-4, section 6.1), for the one header of the handshake that RFC 6455 computes by it.
///
/// That header proves that a server speaks WebSocket, and protects nothing. Collisions of SHA-1 are
/// known, so nothing else is to be built upon it. swift-crypto has it, too, and brings all of BoringSSL
/// into the build of each app that has a client.
enum SHA1 {
  /// Bytes of a block, and of the length at the end of the last one.
  private static let blockBytes = 64
  private static let lengthBytes = 8

  /// The 20 bytes of the digest.
  static func digest(of message: some Sequence<UInt8>) -> [UInt8] {
    var state: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
    let padded = Self.padded(Array(message))
    var schedule = [UInt32](repeating: 0, count: 80)
    for start in stride(from: 0, to: padded.count, by: Self.blockBytes) {
      Self.fill(&schedule, from: padded[start..<start + Self.blockBytes])
      Self.compress(schedule, into: &state)
    }
    return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - $0 * 8)) }
    }
  }

  /// A one, zeros, and the length in bits, up to a whole block (section 5.1.1).
  private static func padded(_ message: [UInt8]) -> [UInt8] {
    var padded = message + [0x80]
    let used = (padded.count + Self.lengthBytes) % Self.blockBytes
    let zeros = used == 0 ? 0 : Self.blockBytes - used
    padded += repeatElement(0, count: zeros)
    let bits = UInt64(message.count) * 8
    padded += (0..<Self.lengthBytes).map { UInt8(truncatingIfNeeded: bits >> (56 - $0 * 8)) }
    return padded
  }

  private static func fill(_ schedule: inout [UInt32], from block: ArraySlice<UInt8>) {
    for word in 0..<16 {
      let start = block.startIndex + word * 4
      schedule[word] = block[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
    for word in 16..<80 {
      schedule[word] = Self.rotated(
        schedule[word - 3] ^ schedule[word - 8] ^ schedule[word - 14] ^ schedule[word - 16], by: 1)
    }
  }

  private static func compress(_ schedule: [UInt32], into state: inout [UInt32]) {
    var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
    for (round, word) in schedule.enumerated() {
      let mixed: UInt32
      switch round {
      case ..<20: mixed = (b & c | ~b & d) &+ 0x5A82_7999
      case ..<40: mixed = (b ^ c ^ d) &+ 0x6ED9_EBA1
      case ..<60: mixed = (b & c | b & d | c & d) &+ 0x8F1B_BCDC
      default: mixed = (b ^ c ^ d) &+ 0xCA62_C1D6
      }
      let next = Self.rotated(a, by: 5) &+ mixed &+ e &+ word
      (a, b, c, d, e) = (next, a, Self.rotated(b, by: 30), c, d)
    }
    for (index, word) in [a, b, c, d, e].enumerated() { state[index] &+= word }
  }

  private static func rotated(_ word: UInt32, by bits: UInt32) -> UInt32 {
    word << bits | word >> (32 - bits)
  }
}
