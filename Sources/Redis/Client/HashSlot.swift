/// One of the 16,384 slots over which a Redis cluster spreads its keys.
///
/// CRC16 of the key's tag, as the cluster specification defines it: the XMODEM variant, polynomial
/// 0x1021, starting from 0, modulo 16,384.
package struct HashSlot: Sendable, Hashable, Comparable {
  /// The number of slots in every cluster.
  package static let count = 16_384

  /// 0 to 16,383.
  package let number: Int

  package init(hashing tag: String) {
    var tag = tag
    let crc = tag.withUTF8 { utf8 in
      Self.table.withUnsafeBufferPointer { table in
        utf8.reduce(0) { crc, byte in
          (crc << 8) ^ table[Int(UInt8(truncatingIfNeeded: crc >> 8) ^ byte)]
        }
      }
    }
    self.number = Int(crc) % Self.count
  }

  /// The slot of a key by its whole name: that of what stands in its first pair of braces, if there
  /// is anything, as the cluster specification says.
  package init(ofKey name: String) {
    let utf8 = name.utf8
    guard let open = utf8.firstIndex(of: UInt8(ascii: "{")),
      let close = utf8[open...].firstIndex(of: UInt8(ascii: "}")), utf8.index(after: open) < close
    else {
      self.init(hashing: name)
      return
    }
    self.init(hashing: String(name[utf8.index(after: open)..<close]))
  }

  /// - Parameter number: 0 to 16,383.
  init(number: Int) {
    precondition((0..<Self.count).contains(number))
    self.number = number
  }

  package static func < (a: HashSlot, b: HashSlot) -> Bool { a.number < b.number }

  private static let table: [UInt16] = (0..<256).map { byte in
    (0..<8).reduce(UInt16(byte) << 8) { crc, _ in
      crc & 0x8000 != 0 ? (crc << 1) ^ 0x1021 : crc << 1
    }
  }
}
