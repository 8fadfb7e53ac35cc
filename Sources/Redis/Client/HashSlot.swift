/// One of the 16,384 slots over which a Redis cluster spreads its keys.
///
/// CRC16 of the key's tag, as the cluster specification defines it: the XMODEM variant, polynomial
/// 0x1021, starting from 0, modulo 16,384.
public struct HashSlot: Sendable, Hashable, Comparable {
  /// The number of slots in every cluster.
  public static let count = 16_384

  /// 0 to 16,383.
  public let number: Int

  /// The slot of keys whose tag is `tag`.
  public init(hashing tag: String) {
    var crc: UInt16 = 0
    for byte in tag.utf8 {
      crc = (crc << 8) ^ Self.table[Int(UInt8(truncatingIfNeeded: crc >> 8) ^ byte)]
    }
    self.number = Int(crc) % Self.count
  }

  /// Orders by number.
  public static func < (a: HashSlot, b: HashSlot) -> Bool { a.number < b.number }

  private static let table: [UInt16] = (0..<256).map { byte in
    (0..<8).reduce(UInt16(byte) << 8) { crc, _ in
      crc & 0x8000 != 0 ? (crc << 1) ^ 0x1021 : crc << 1
    }
  }
}
