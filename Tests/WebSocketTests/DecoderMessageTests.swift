import NIOCore
import Testing
import WebSocket

@Suite("The decoder returns")
struct DecoderMessageTests {
  @Test("the examples of RFC 6455 §5.7")
  func examples() {
    let hello = ByteBuffer(string: "Hello")
    let unmasked: [UInt8] = [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]
    let masked: [UInt8] = [
      0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
    ]
    let fragmented: [UInt8] = [0x01, 0x03, 0x48, 0x65, 0x6C, 0x80, 0x02, 0x6C, 0x6F]
    let ping: [UInt8] = [0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]
    let pong: [UInt8] = [
      0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
    ]
    let binary256 = [0x82, 0x7E, 0x01, 0x00] + [UInt8](repeating: 7, count: 256)
    let binary64K =
      [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0] + [UInt8](repeating: 7, count: 65_536)

    #expect(decode(unmasked, role: .client) == Decoded(events: [.text(hello)]))
    #expect(decode(masked) == Decoded(events: [.text(hello)]))
    #expect(decode(fragmented, role: .client) == Decoded(events: [.text(hello)]))
    #expect(decode(ping, role: .client) == Decoded(events: [.ping(hello)]))
    #expect(decode(pong) == Decoded(events: [.pong(hello)]))
    #expect(
      decode(binary256, role: .client)
        == Decoded(events: [.binary(ByteBuffer(repeating: 7, count: 256))]))
    #expect(
      decode(binary64K, role: .client)
        == Decoded(events: [.binary(ByteBuffer(repeating: 7, count: 65_536))]))
  }

  @Test("nothing while bytes are missing")
  func incomplete() throws {
    let bytes = FrameBytes.frame(1, Array("hello".utf8))
    var decoder = WebSocketDecoder(role: .server, maximumMessageBytes: 100)
    #expect(try decoder.next() == nil)
    for byte in bytes.dropLast() {
      decoder.append(ByteBuffer(bytes: [byte]))
      #expect(try decoder.next() == nil)
    }
    #expect(decoder.bufferedBytes == bytes.count - 1)
    #expect(!decoder.isEmpty)
    decoder.append(ByteBuffer(bytes: [bytes.last!]))
    #expect(try decoder.next() == .text(ByteBuffer(string: "hello")))
    #expect(decoder.bufferedBytes == 0)
    #expect(decoder.isEmpty)
  }

  @Test("fragments as one message of the first fragment's kind")
  func fragments() {
    for (opcode, isText) in [(UInt8(1), true), (2, false)] {
      let bytes =
        FrameBytes.frame(opcode, [1, 2], isFinal: false)
        + FrameBytes.frame(0, [], isFinal: false)
        + FrameBytes.frame(0, [3], isFinal: false)
        + FrameBytes.frame(0, [4, 5])
      let payload = ByteBuffer(bytes: [1, 2, 3, 4, 5])
      #expect(decode(bytes) == Decoded(events: [isText ? .text(payload) : .binary(payload)]))
    }
  }

  @Test("nothing of an unfinished message, and is not empty, though there is no byte of it yet")
  func unfinished() {
    var decoder = WebSocketDecoder(role: .server, maximumMessageBytes: 100)
    #expect(decoder.decode([FrameBytes.frame(1, [], isFinal: false)]) == Decoded(events: []))
    #expect(decoder.bufferedBytes == 0)
    #expect(!decoder.isEmpty)
  }

  @Test("control frames between fragments before the message they interrupt")
  func interleavedControl() {
    let bytes =
      FrameBytes.frame(1, [65], isFinal: false)
      + FrameBytes.frame(9, [1])
      + FrameBytes.frame(0, [66], isFinal: false)
      + FrameBytes.frame(10, [2])
      + FrameBytes.frame(0, [67])
    #expect(
      decode(bytes)
        == Decoded(events: [
          .ping(ByteBuffer(bytes: [1])), .pong(ByteBuffer(bytes: [2])),
          .text(ByteBuffer(string: "ABC")),
        ]))
  }

  @Test("a close between fragments, and forgets the message")
  func interleavedClose() {
    var decoder = WebSocketDecoder(role: .server, maximumMessageBytes: 100)
    let bytes = FrameBytes.frame(1, [65], isFinal: false) + FrameBytes.frame(8)
    #expect(
      decoder.decode([bytes]) == Decoded(events: [.close(code: nil, reason: ByteBuffer())]))
    #expect(decoder.bufferedBytes == 0)
  }

  @Test("empty messages and control frames")
  func empty() {
    let bytes = [1, 2, 9, 10].flatMap { FrameBytes.frame($0) }
    let none = ByteBuffer()
    #expect(
      decode(bytes, maximumMessageBytes: 0)
        == Decoded(events: [.text(none), .binary(none), .ping(none), .pong(none)]))
  }

  @Test("text that is not UTF-8, which is the next layer's to refuse")
  func invalidText() {
    let payload: [UInt8] = [0xFF, 0xC0]
    #expect(
      decode(FrameBytes.frame(1, payload)) == Decoded(events: [.text(ByteBuffer(bytes: payload))]))
  }

  @Test("a message of exactly the limit, in one frame or in fragments")
  func exactlyTheLimit() {
    let payload = [UInt8](repeating: 65, count: 200)
    let expected = Decoded(events: [.text(ByteBuffer(bytes: payload))])
    let fragments =
      FrameBytes.frame(1, Array(payload[..<150]), isFinal: false)
      + FrameBytes.frame(0, Array(payload[150...]))
    #expect(decode(FrameBytes.frame(1, payload), maximumMessageBytes: 200) == expected)
    #expect(decode(fragments, maximumMessageBytes: 200) == expected)
  }

  @Test("control frames of 125 bytes, whatever the message limit")
  func longestControl() {
    let payload = [UInt8](repeating: 65, count: 125)
    #expect(
      decode(FrameBytes.frame(9, payload), maximumMessageBytes: 10)
        == Decoded(events: [.ping(ByteBuffer(bytes: payload))]))
  }

  @Test("a message of as many fragments as the limit allows")
  func mostFragments() {
    let count = WebSocketLimits.maximumFragmentsPerMessage
    let bytes =
      FrameBytes.frame(1, [65], isFinal: false)
      + (2..<count).flatMap { _ in FrameBytes.frame(0, [], isFinal: false) }
      + FrameBytes.frame(0, [66])
    #expect(decode(bytes + bytes).events.count == 2)
  }

  @Test("what came before a violation, then the violation, then nothing")
  func eventsBeforeError() throws {
    var decoder = WebSocketDecoder(role: .server, maximumMessageBytes: 100)
    let good = FrameBytes.frame(1, [65])
    let decoded = decoder.decode([good + FrameBytes.frame(3) + good])
    #expect(decoded.events == [.text(ByteBuffer(string: "A"))])
    #expect(decoded.error?.kind == .unknownOpcode)
    decoder.append(ByteBuffer(bytes: good))
    #expect(try decoder.next() == nil)
    #expect(decoder.bufferedBytes == 0)
  }
}
