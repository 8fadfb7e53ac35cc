/// One frame's header (RFC 6455 §5.2), after the checks that need nothing but the header itself.
struct WebSocketFrameHeader {
  let opcode: WebSocketOpcode
  /// Whether this is the last frame of its message.
  let isFinal: Bool
  /// In wire order, the first byte most significant. Present exactly when the sender is a client.
  let maskKey: UInt32?
  let headerBytes: Int
  let payloadBytes: Int

  /// The length of the whole frame. `payloadBytes` has its top bit clear but may be near `Int.max`:
  /// use this only once it has been held against the limit.
  var frameBytes: Int { headerBytes + payloadBytes }

  /// Reads the header that begins at `offset`, or returns nil if it is not all there yet.
  ///
  /// An error in the first two bytes is thrown without waiting for the others.
  init?(
    parsing bytes: RawSpan, at offset: Int, role: WebSocketRole
  ) throws(WebSocketError) {
    guard bytes.byteCount - offset >= 2 else { return nil }
    let first = bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    let second = bytes.unsafeLoad(fromByteOffset: offset + 1, as: UInt8.self)
    let opcode = try Self.checkedOpcode(first, second)
    let isMasked = second & 0x80 != 0
    guard isMasked == (role == .server) else {
      throw WebSocketError(
        .masking, isMasked ? "a server's frame is masked" : "a client's frame is not masked")
    }

    let shortLength = second & 0x7F
    let lengthBytes = shortLength < 126 ? 0 : shortLength == 126 ? 2 : 8
    let headerBytes = 2 + lengthBytes + (isMasked ? 4 : 0)
    guard bytes.byteCount - offset >= headerBytes else { return nil }

    self.opcode = opcode
    self.isFinal = first & 0x80 != 0
    self.headerBytes = headerBytes
    self.payloadBytes =
      switch lengthBytes {
      case 0: Int(shortLength)
      case 2: try Self.checkedLength16(bytes, at: offset + 2)
      default: try Self.checkedLength64(bytes, at: offset + 2)
      }
    self.maskKey =
      isMasked
      ? UInt32(
        bigEndian: bytes.unsafeLoadUnaligned(
          fromByteOffset: offset + headerBytes - 4, as: UInt32.self))
      : nil
  }

  private static func checkedOpcode(
    _ first: UInt8, _ second: UInt8
  ) throws(WebSocketError) -> WebSocketOpcode {
    guard first & 0x70 == 0 else {
      throw WebSocketError(.reservedBits, "a reserved bit is set and no extension is in use")
    }
    guard let opcode = WebSocketOpcode(rawValue: first & 0x0F) else {
      throw WebSocketError(.unknownOpcode, "opcode \(first & 0x0F) is reserved")
    }
    if opcode.isControl {
      guard first & 0x80 != 0 else {
        throw WebSocketError(.fragmentedControl, "a \(opcode) frame is fragmented")
      }
      guard second & 0x7F <= WebSocketLimits.maximumControlPayloadBytes else {
        throw WebSocketError(.oversizedControl, "a \(opcode) frame is longer than 125 bytes")
      }
    }
    return opcode
  }

  private static func checkedLength16(
    _ bytes: RawSpan, at offset: Int
  ) throws(WebSocketError) -> Int {
    let length = UInt16(
      bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
    guard length > 125 else {
      throw WebSocketError(.lengthEncoding, "length \(length) is encoded in 16 bits")
    }
    return Int(length)
  }

  private static func checkedLength64(
    _ bytes: RawSpan, at offset: Int
  ) throws(WebSocketError) -> Int {
    let length = UInt64(
      bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    guard length > UInt16.max else {
      throw WebSocketError(.lengthEncoding, "length \(length) is encoded in 64 bits")
    }
    guard let length = Int(exactly: length) else {
      throw WebSocketError(.lengthEncoding, "a 64-bit length has its top bit set")
    }
    return length
  }
}
