import NIOCore
import WebSocket

/// Builds frames byte by byte, legal or not, without the writer that is under test.
enum FrameBytes {
  /// The mask key of all masked frames built here; its bytes differ, so that a wrong order shows.
  static let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]

  /// One frame with the shortest length encoding.
  static func frame(
    _ opcode: UInt8, _ payload: [UInt8] = [], isFinal: Bool = true, reserved: UInt8 = 0,
    isMasked: Bool = true
  ) -> [UInt8] {
    header(
      opcode, declaring: payload.count, isFinal: isFinal, reserved: reserved, isMasked: isMasked)
      + (isMasked ? masked(payload) : payload)
  }

  /// A header alone, with the shortest length encoding.
  static func header(
    _ opcode: UInt8, declaring length: Int, isFinal: Bool = true, reserved: UInt8 = 0,
    isMasked: Bool = true
  ) -> [UInt8] {
    let first = (isFinal ? 0x80 : 0) | reserved | opcode
    let mask: UInt8 = isMasked ? 0x80 : 0
    let lengthBytes: [UInt8] =
      switch length {
      case ...125: [mask | UInt8(length)]
      case ...65_535: [mask | 126] + bigEndian(UInt16(length))
      default: [mask | 127] + bigEndian(UInt64(length))
      }
    return [first] + lengthBytes + (isMasked ? key : [])
  }

  /// A masked final text frame's header whose length is encoded as 16 bits, however small.
  static func header(length16 length: UInt16) -> [UInt8] {
    [0x81, 0x80 | 126] + bigEndian(length) + key
  }

  /// A masked final text frame's header whose length is encoded as 64 bits, however small.
  static func header(length64 length: UInt64) -> [UInt8] {
    [0x81, 0x80 | 127] + bigEndian(length) + key
  }

  /// A close frame's payload.
  static func close(_ code: UInt16, _ reason: [UInt8] = []) -> [UInt8] {
    bigEndian(code) + reason
  }

  /// Masks one byte at a time, as RFC 6455 §5.3 words it.
  static func masked(_ payload: [UInt8], key: [UInt8] = FrameBytes.key) -> [UInt8] {
    payload.enumerated().map { $0.element ^ key[$0.offset % 4] }
  }

  static func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian, Array.init)
  }
}

/// The output of a decoder: events, and the error that ended them.
struct Decoded: Equatable {
  var events: [WebSocketDecoder.Event] = []
  var error: WebSocketError?
}

extension WebSocketDecoder {
  /// Feeds the pieces one after the other, each drained before the next.
  mutating func decode(_ pieces: [[UInt8]]) -> Decoded {
    var decoded = Decoded()
    for piece in pieces {
      append(ByteBuffer(bytes: piece))
      do {
        while let event = try next() { decoded.events.append(event) }
      } catch {
        decoded.error = error
        return decoded
      }
    }
    return decoded
  }
}

/// The output of a new decoder for the bytes.
func decode(
  _ bytes: [UInt8], role: WebSocketRole = .server, maximumMessageBytes: Int = 1 << 20
) -> Decoded {
  var decoder = WebSocketDecoder(role: role, maximumMessageBytes: maximumMessageBytes)
  return decoder.decode([bytes])
}
