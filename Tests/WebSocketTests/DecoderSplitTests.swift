import NIOCore
import Testing
import WebSocket

@Suite("However a stream is cut, the decoder")
struct DecoderSplitTests {
  /// Every kind of frame, each length encoding, fragments with control frames between them.
  private static func stream(isMasked: Bool) -> [UInt8] {
    func frame(_ opcode: UInt8, _ count: Int, isFinal: Bool = true) -> [UInt8] {
      let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ Int(opcode)) }
      return FrameBytes.frame(opcode, payload, isFinal: isFinal, isMasked: isMasked)
    }
    return frame(1, 5) + frame(9, 0) + frame(1, 126) + frame(2, 13, isFinal: false)
      + frame(0, 0, isFinal: false) + frame(10, 7) + frame(0, 130, isFinal: false)
      + frame(9, 125) + frame(0, 9) + frame(1, 0) + frame(2, 300)
      + FrameBytes.frame(8, FrameBytes.close(1001, Array("bye".utf8)), isMasked: isMasked)
  }

  private static let cases: [(WebSocketRole, [UInt8])] = [
    (.server, stream(isMasked: true)), (.client, stream(isMasked: false)),
  ]

  private func decode(_ pieces: [[UInt8]], role: WebSocketRole) -> Decoded {
    var decoder = WebSocketDecoder(role: role, maximumMessageBytes: 1_000)
    return decoder.decode(pieces)
  }

  @Test("returns the same events byte by byte", arguments: cases)
  func byteByByte(role: WebSocketRole, stream: [UInt8]) {
    let whole = decode([stream], role: role)
    #expect(whole.events.count == 9)
    #expect(whole.error == nil)
    #expect(decode(stream.map { [$0] }, role: role) == whole)
  }

  @Test("returns the same events in any two parts", arguments: cases)
  func twoParts(role: WebSocketRole, stream: [UInt8]) {
    let whole = decode([stream], role: role)
    for cut in 0...stream.count {
      let parts = [Array(stream[..<cut]), Array(stream[cut...])]
      if decode(parts, role: role) != whole { Issue.record("cut at \(cut)") }
    }
  }

  @Test("returns the same events if several parts come before the first look", arguments: cases)
  func undrained(role: WebSocketRole, stream: [UInt8]) throws {
    let whole = decode([stream], role: role)
    for step in [1, 2, 3, 7, 50, 200] {
      var decoder = WebSocketDecoder(role: role, maximumMessageBytes: 1_000)
      for start in stride(from: 0, to: stream.count, by: step) {
        decoder.append(ByteBuffer(bytes: stream[start..<min(start + step, stream.count)]))
      }
      #expect(decoder.bufferedBytes == stream.count)
      #expect(decoder.decode([[]]) == whole)
    }
  }

  @Test("returns the same events if one is taken after each part", arguments: cases)
  func oneEventPerPart(role: WebSocketRole, stream: [UInt8]) throws {
    let whole = decode([stream], role: role)
    for step in [3, 40, 150, 400] {
      var decoder = WebSocketDecoder(role: role, maximumMessageBytes: 1_000)
      var events: [WebSocketDecoder.Event] = []
      for start in stride(from: 0, to: stream.count, by: step) {
        decoder.append(ByteBuffer(bytes: stream[start..<min(start + step, stream.count)]))
        if let event = try decoder.next() { events.append(event) }
      }
      while let event = try decoder.next() { events.append(event) }
      #expect(events == whole.events)
    }
  }

  @Test("finds the same violation", arguments: 1...40)
  func violation(step: Int) {
    let stream =
      FrameBytes.frame(1, Array(1...20)) + FrameBytes.frame(1, Array(1...60), reserved: 0x40)
    let pieces = stride(from: 0, to: stream.count, by: step).map {
      Array(stream[$0..<min($0 + step, stream.count)])
    }
    let decoded = decode(pieces, role: .server)
    #expect(decoded.events == [.text(ByteBuffer(bytes: 1...20))])
    #expect(decoded.error?.kind == .reservedBits)
  }
}
