import NIOCore
import Testing
import WebSocket

@Suite("A close frame")
struct CloseTests {
  private func error(of payload: [UInt8]) -> WebSocketError? {
    decode(FrameBytes.frame(8, payload)).error
  }

  @Test("may be empty")
  func empty() {
    #expect(
      decode(FrameBytes.frame(8)) == Decoded(events: [.close(code: nil, reason: ByteBuffer())]))
  }

  @Test("may have a code and no reason")
  func codeOnly() {
    #expect(
      decode(FrameBytes.frame(8, FrameBytes.close(1000)))
        == Decoded(events: [.close(code: 1000, reason: ByteBuffer())]))
  }

  @Test("may have a code and up to 123 bytes of reason")
  func codeAndReason() {
    let reason = Array((String(repeating: "é", count: 61) + "!").utf8)
    #expect(
      decode(FrameBytes.frame(8, FrameBytes.close(4001, reason)))
        == Decoded(events: [.close(code: 4001, reason: ByteBuffer(bytes: reason))]))
  }

  @Test("must not have a single byte")
  func singleByte() {
    let error = error(of: [3])
    #expect(error?.kind == .invalidCloseCode)
    #expect(error?.closeCode == 1002)
  }

  @Test("must have a code that RFC 6455 §7.4 or the registry allows on the wire")
  func codes() {
    let valid = [1000...1003, 1007...1014, 3000...4999] as [ClosedRange<UInt16>]
    for code in UInt16.min ... .max {
      let isValid = valid.contains { $0.contains(code) }
      let decoded = decode(FrameBytes.frame(8, FrameBytes.close(code)))
      if isValid {
        #expect(decoded.events == [.close(code: code, reason: ByteBuffer())])
      } else if decoded.error?.kind != .invalidCloseCode || decoded.error?.closeCode != 1002 {
        Issue.record("code \(code) was not refused")
      }
    }
  }

  @Test(
    "must have a reason that is UTF-8",
    arguments: [
      [0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0x61, 0x80], [0xF4, 0x90, 0x80, 0x80],
    ] as [[UInt8]])
  func invalidReason(reason: [UInt8]) {
    let error = error(of: FrameBytes.close(1000, reason))
    #expect(error?.kind == .invalidCloseReason)
    #expect(error?.closeCode == 1007)
  }

  @Test("is the last event, whatever follows it")
  func last() throws {
    var decoder = WebSocketDecoder(role: .server, maximumMessageBytes: 100)
    let message = FrameBytes.frame(1, [65])
    let decoded = decoder.decode([FrameBytes.frame(8) + message, message, FrameBytes.frame(3)])
    #expect(decoded == Decoded(events: [.close(code: nil, reason: ByteBuffer())]))
    #expect(decoder.bufferedBytes == 0)
    #expect(!decoder.isEmpty, "it is not as new: it discards what comes")
  }

  @Test("is written with its code and reason")
  func written() {
    var buffer = ByteBuffer()
    buffer.writeWebSocketClose(code: 1012, reason: "restart")
    #expect(
      decode(Array(buffer.readableBytesView), role: .client)
        == Decoded(events: [.close(code: 1012, reason: ByteBuffer(string: "restart"))]))
  }

  @Test(
    "is written with its reason cut on a character boundary",
    arguments: [
      (String(repeating: "a", count: 123), 123),
      (String(repeating: "a", count: 124), 123),
      (String(repeating: "é", count: 62), 122),
      (String(repeating: "a", count: 122) + "é", 122),
      (String(repeating: "a", count: 120) + "👩‍👩‍👧", 120),
      (String(repeating: "👩‍👩‍👧", count: 9), 108),
    ])
  func cutReason(reason: String, bytes: Int) {
    var buffer = ByteBuffer()
    buffer.writeWebSocketClose(code: 4003, reason: reason, maskKey: 0x0102_0304)
    let expected = ByteBuffer(
      string: String(decoding: Array(reason.utf8.prefix(bytes)), as: UTF8.self))
    #expect(expected.readableBytes == bytes)
    #expect(
      decode(Array(buffer.readableBytesView))
        == Decoded(events: [.close(code: 4003, reason: expected)]))
  }
}
