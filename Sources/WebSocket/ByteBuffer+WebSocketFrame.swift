import NIOCore

extension ByteBuffer {
  /// The bytes left free for a header until the payload's length is known: enough for 126 to 65,535
  /// bytes, so that the payloads that move are either short or so long that it hardly matters.
  @usableFromInline
  static let reservedWebSocketHeaderBytes = 4

  /// Appends one whole message or control frame; `write` appends the payload.
  ///
  /// The payload is written in its place, behind room for the common 4-byte header, and moved only
  /// if its length needs another. If `write` throws, the buffer ends where it did before.
  ///
  /// - Parameters:
  ///   - opcode: What the frame carries. A control frame's payload must not exceed 125 bytes, and
  ///     for a close with a code there is ``writeWebSocketClose(code:reason:maskKey:)``.
  ///   - maskKey: Nil on the server; on a client a fresh random number for every frame.
  ///   - write: Appends the payload. It must leave what was in the buffer alone.
  @inlinable
  package mutating func writeWebSocketFrame<E: Error>(
    _ opcode: WebSocketOpcode, maskKey: UInt32? = nil,
    _ write: (inout ByteBuffer) throws(E) -> Void
  ) throws(E) {
    let start = writerIndex
    writeInteger(0 as UInt32)
    if maskKey != nil { writeInteger(0 as UInt32) }
    do throws(E) {
      try write(&self)
    } catch {
      moveWriterIndex(to: start)
      throw error
    }
    finishWebSocketFrame(opcode, maskKey: maskKey, start: start)
  }

  /// Appends a close frame with a status code and a reason.
  ///
  /// To answer a close that had no code, write an empty frame with
  /// ``writeWebSocketFrame(_:maskKey:_:)`` instead.
  ///
  /// - Parameters:
  ///   - code: One that may be sent: 1000–1003, 1007–1014, or 3000–4999.
  ///   - reason: Cut to its longest prefix of whole characters within 123 bytes.
  ///   - maskKey: Nil on the server; on a client a fresh random number for every frame.
  package mutating func writeWebSocketClose(
    code: UInt16, reason: String, maskKey: UInt32? = nil
  ) {
    precondition(WebSocketClosePayload.isValid(code: code), "close code \(code) may not be sent")
    writeWebSocketFrame(.close, maskKey: maskKey) {
      $0.writeInteger(code)
      $0.writeSubstring(reason.prefix(utf8Count: WebSocketLimits.maximumCloseReasonBytes))
    }
  }

  /// Writes the header of the frame at `start`, whose payload was written behind the reserved room,
  /// closes the gap or widens it as the length demands, and masks the payload.
  @usableFromInline
  mutating func finishWebSocketFrame(_ opcode: WebSocketOpcode, maskKey: UInt32?, start: Int) {
    let maskKeyBytes = maskKey == nil ? 0 : 4
    let writtenAt = start + Self.reservedWebSocketHeaderBytes + maskKeyBytes
    precondition(writerIndex >= writtenAt, "the payload's writer took back what it did not write")
    let length = writerIndex - writtenAt
    precondition(
      !opcode.isControl || length <= WebSocketLimits.maximumControlPayloadBytes,
      "a control frame's payload must not exceed 125 bytes")

    let headerBytes = length <= 125 ? 2 : length <= Int(UInt16.max) ? 4 : 10
    let payloadAt = start + headerBytes + maskKeyBytes
    reserveCapacity(payloadAt + length)
    withVeryUnsafeMutableBytes { bytes in
      let payload = UnsafeMutableRawBufferPointer(rebasing: bytes[payloadAt..<payloadAt + length])
      if payloadAt != writtenAt {
        // The two ranges may overlap; `copyMemory` allows for that.
        payload.copyMemory(from: .init(rebasing: bytes[writtenAt..<writtenAt + length]))
      }
      let header = UnsafeMutableRawBufferPointer(rebasing: bytes[start..<payloadAt])
      Self.fillWebSocketHeader(header, opcode, length: length, maskKey: maskKey)
      if let maskKey { WebSocketMask.apply(maskKey, to: payload) }
    }
    moveWriterIndex(to: payloadAt + length)
  }

  /// Fills `header`, which has exactly the length of the frame's header.
  private static func fillWebSocketHeader(
    _ header: UnsafeMutableRawBufferPointer, _ opcode: WebSocketOpcode, length: Int,
    maskKey: UInt32?
  ) {
    let maskBit: UInt8 = maskKey == nil ? 0 : 0x80
    header[0] = 0x80 | opcode.rawValue
    switch length {
    case ...125:
      header[1] = maskBit | UInt8(length)
    case ...Int(UInt16.max):
      header[1] = maskBit | 126
      header.storeBytes(of: UInt16(length).bigEndian, toByteOffset: 2, as: UInt16.self)
    default:
      header[1] = maskBit | 127
      header.storeBytes(of: UInt64(length).bigEndian, toByteOffset: 2, as: UInt64.self)
    }
    if let maskKey {
      header.storeBytes(
        of: maskKey.bigEndian, toByteOffset: header.count - 4, as: UInt32.self)
    }
  }
}

extension String {
  /// The longest prefix of whole characters within `utf8Count` bytes.
  fileprivate func prefix(utf8Count maximum: Int) -> Substring {
    guard utf8.count > maximum else { return self[...] }
    var bytes = 0
    return prefix {
      bytes += $0.utf8.count
      return bytes <= maximum
    }
  }
}
