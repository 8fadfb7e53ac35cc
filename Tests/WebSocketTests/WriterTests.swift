import NIOCore
import Testing
import WebSocket

@Suite("The writer")
struct WriterTests {
  private static let sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000]

  private func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
  }

  @Test("writes what the decoder of the other role reads", arguments: sizes)
  func roundTrip(size: Int) {
    let payload = ByteBuffer(bytes: bytes(size))
    for (role, maskKey) in [(WebSocketRole.client, nil), (.server, 0x89AB_CDEF as UInt32)] {
      var buffer = ByteBuffer()
      buffer.writeWebSocketFrame(.text, maskKey: maskKey) { $0.writeImmutableBuffer(payload) }
      buffer.writeWebSocketFrame(.binary, maskKey: maskKey) { $0.writeImmutableBuffer(payload) }
      #expect(
        decode(Array(buffer.readableBytesView), role: role)
          == Decoded(events: [.text(payload), .binary(payload)]))
    }
  }

  @Test("writes the bytes that RFC 6455 says", arguments: sizes)
  func rawBytes(size: Int) {
    let payload = bytes(size)
    var plain = ByteBuffer()
    plain.writeWebSocketFrame(.binary) { $0.writeBytes(payload) }
    #expect(Array(plain.readableBytesView) == FrameBytes.frame(2, payload, isMasked: false))

    var masked = ByteBuffer()
    masked.writeWebSocketFrame(.binary, maskKey: 0x37FA_213D) { $0.writeBytes(payload) }
    #expect(Array(masked.readableBytesView) == FrameBytes.frame(2, payload))
  }

  @Test("appends, in a buffer of any state", arguments: [0, 3, 200, 70_000])
  func appends(size: Int) {
    var buffer = ByteBuffer(string: "read|kept")
    buffer.moveReaderIndex(forwardBy: 5)
    let shared = buffer
    buffer.writeWebSocketFrame(.text) { $0.writeBytes(bytes(size)) }
    #expect(buffer.readString(length: 4) == "kept")
    #expect(Array(buffer.readableBytesView) == FrameBytes.frame(1, bytes(size), isMasked: false))
    #expect(shared == ByteBuffer(string: "kept"))
  }

  @Test("writes control frames", arguments: [WebSocketOpcode.ping, .pong, .close])
  func control(opcode: WebSocketOpcode) {
    var buffer = ByteBuffer()
    buffer.writeWebSocketFrame(opcode) { _ in }
    #expect(Array(buffer.readableBytesView) == [0x80 | opcode.rawValue, 0])
  }

  @Test("leaves nothing behind when the payload's writer throws")
  func throwing() {
    struct Refused: Error, Equatable {}
    var buffer = ByteBuffer(string: "before")
    for maskKey in [nil, 1 as UInt32] {
      #expect(throws: Refused()) {
        try buffer.writeWebSocketFrame(.text, maskKey: maskKey) { (buffer) throws(Refused) in
          buffer.writeString("half")
          throw Refused()
        }
      }
    }
    #expect(buffer == ByteBuffer(string: "before"))
  }

  @Test("does not move a payload of 126 to 65,535 bytes")
  func inPlace() {
    var buffer = ByteBufferAllocator().buffer(capacity: 1_024)
    var written: UInt = 0
    buffer.writeWebSocketFrame(.text) {
      $0.writeBytes(bytes(200))
      written = $0.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) + 4 }
    }
    buffer.moveReaderIndex(forwardBy: 4)
    let found = buffer.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
    #expect(found == written)
    #expect(buffer.capacity == 1_024)
  }
}
