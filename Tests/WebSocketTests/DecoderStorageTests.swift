import NIOCore
import Testing
import WebSocket

@Suite("The decoder's storage")
struct DecoderStorageTests {
  /// Where a buffer's readable bytes are in memory.
  private func address(_ buffer: ByteBuffer) -> UInt {
    buffer.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
  }

  private func payload(_ event: WebSocketDecoder.Event?) throws -> ByteBuffer {
    guard case .text(let payload) = event else { throw Missing() }
    return payload
  }

  private struct Missing: Error {}

  @Test("is the received buffer, unmasked in place")
  func slicesMasked() throws {
    let text = [UInt8](repeating: 65, count: 250)
    var decoder = WebSocketDecoder(role: .server, maximumMessageBytes: 1_000)
    var received = ByteBuffer(bytes: FrameBytes.frame(1, text) + FrameBytes.frame(1, text))
    let start = address(received)
    decoder.append(received)
    received = ByteBuffer()
    let first = try payload(decoder.next())
    let second = try payload(decoder.next())
    #expect(address(first) == start + 8)
    #expect(address(second) == start + 258 + 8)
    #expect(first == ByteBuffer(bytes: text))
    #expect(second == first)
  }

  @Test("is the received buffer when nothing is masked, even if somebody shares it")
  func slicesUnmasked() throws {
    var decoder = WebSocketDecoder(role: .client, maximumMessageBytes: 1_000)
    let received = ByteBuffer(bytes: FrameBytes.frame(1, [65, 66], isMasked: false))
    decoder.append(received)
    #expect(try address(payload(decoder.next())) == address(received) + 2)
  }

  @Test("is one copy of the unread bytes when a masked buffer is shared, which stays as it was")
  func sharedMasked() throws {
    let frame = FrameBytes.frame(1, Array(1...100))
    let received = ByteBuffer(bytes: frame + frame + frame)
    var decoder = WebSocketDecoder(role: .server, maximumMessageBytes: 1_000)
    decoder.append(received)
    let payloads = try (0..<3).map { _ in try payload(decoder.next()) }
    #expect(payloads.allSatisfy { $0 == ByteBuffer(bytes: 1...100) })
    #expect(address(payloads[0]) != address(received) + 6)
    #expect(address(payloads[1]) == address(payloads[0]) + 106)
    #expect(address(payloads[2]) == address(payloads[1]) + 106)
    #expect(Array(received.readableBytesView) == frame + frame + frame)
  }

  @Test("never changes a message that was already returned")
  func returnedMessagesAreStable() throws {
    let frame = FrameBytes.frame(1, Array(1...100))
    var decoder = WebSocketDecoder(role: .server, maximumMessageBytes: 1_000)
    var payloads: [ByteBuffer] = []
    for piece in [frame + frame[..<50], frame[50...] + frame[..<9], frame[9...] + []] {
      decoder.append(ByteBuffer(bytes: piece))
      while let event = try decoder.next() { payloads.append(try payload(event)) }
    }
    #expect(payloads.count == 3)
    #expect(payloads.allSatisfy { $0 == ByteBuffer(bytes: 1...100) })
  }

  @Test("is dropped when all is consumed")
  func dropped() throws {
    for role in [WebSocketRole.server, .client] {
      var decoder = WebSocketDecoder(role: role, maximumMessageBytes: 1_000)
      decoder.append(
        ByteBuffer(bytes: FrameBytes.frame(1, [65, 66, 67], isMasked: role == .server)))
      var event = try payload(decoder.next())
      #expect(decoder.bufferedBytes == 0)
      #expect(event.modifyIfUniquelyOwned { _ in true } == true)
    }
  }

  @Test("is dropped after a violation and after a close")
  func droppedAtTheEnd() {
    for last in [FrameBytes.frame(3), FrameBytes.frame(8)] {
      var received = ByteBufferAllocator().buffer(capacity: 1_024)
      received.writeBytes(last + FrameBytes.frame(1, [65]))
      var decoder = WebSocketDecoder(role: .server, maximumMessageBytes: 1_000)
      decoder.append(received)
      _ = decoder.decode([[]])
      #expect(received.modifyIfUniquelyOwned { _ in true } == true)
      decoder.append(received)
      #expect(received.modifyIfUniquelyOwned { _ in true } == true)
    }
  }

  @Test("does not pin a big receive buffer for the start of a frame")
  func unfinishedFrame() throws {
    var received = ByteBufferAllocator().buffer(capacity: 16_384)
    received.writeBytes(FrameBytes.frame(1, [65]) + FrameBytes.header(1, declaring: 500))
    var decoder = WebSocketDecoder(role: .server, maximumMessageBytes: 1_000)
    decoder.append(received)
    _ = try decoder.next()
    #expect(try decoder.next() == nil)
    #expect(decoder.bufferedBytes == 8)
    #expect(received.modifyIfUniquelyOwned { _ in true } == true)
  }
}
