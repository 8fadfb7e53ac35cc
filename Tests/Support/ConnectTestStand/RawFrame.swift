/// A WebSocket frame of which every bit can be made wrong.
package struct RawFrame: Sendable {
  /// The last fragment of its message.
  package var isFinal = true
  /// The three reserved bits.
  package var reserved: UInt8 = 0
  /// The four bits of the opcode.
  package var opcode: UInt8
  /// A client must mask.
  package var isMasked = true
  /// Its payload, at most 65,535 bytes.
  package var payload: [UInt8]
  /// The length in the header, if not the payload's.
  package var declaredLength: UInt64?

  /// A final, masked frame.
  package init(opcode: UInt8, payload: [UInt8] = [], isFinal: Bool = true) {
    self.opcode = opcode
    self.payload = payload
    self.isFinal = isFinal
  }

  package var bytes: [UInt8] {
    let mask: UInt8 = self.isMasked ? 0x80 : 0
    var bytes = [(self.isFinal ? 0x80 : 0) | self.reserved << 4 | self.opcode]
    let length = self.declaredLength ?? UInt64(self.payload.count)
    switch length {
    case ...125: bytes.append(mask | UInt8(length))
    case ...65_535: bytes += [mask | 126, UInt8(length >> 8), UInt8(truncatingIfNeeded: length)]
    default:
      bytes.append(mask | 127)
      bytes += (0..<8).reversed().map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) }
    }
    guard self.isMasked else { return bytes + self.payload }
    let key: [UInt8] = [0x37, 0xfa, 0x21, 0x3d]
    bytes += key
    bytes += self.payload.enumerated().map { $0.element ^ key[$0.offset % 4] }
    return bytes
  }
}
