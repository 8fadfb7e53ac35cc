import NIOCore
import Testing
import WebSocket

@Suite("The decoder refuses")
struct DecoderViolationTests {
  /// Expects the bytes to be refused, and nothing to come before that.
  private func expect(
    _ bytes: [UInt8], toFailWith kind: WebSocketError.Kind, closeCode: UInt16 = 1002,
    role: WebSocketRole = .server, maximumMessageBytes: Int = 1 << 20,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let decoded = decode(bytes, role: role, maximumMessageBytes: maximumMessageBytes)
    #expect(decoded.error?.kind == kind, sourceLocation: sourceLocation)
    #expect(decoded.error?.closeCode == closeCode, sourceLocation: sourceLocation)
    #expect(decoded.events.isEmpty, sourceLocation: sourceLocation)
  }

  @Test("any reserved bit, from two bytes alone", arguments: [0x40, 0x20, 0x10, 0x70])
  func reservedBits(bits: UInt8) {
    for opcode in WebSocketOpcode.allCases {
      let frame = FrameBytes.frame(opcode.rawValue, reserved: bits)
      expect(Array(frame.prefix(2)), toFailWith: .reservedBits)
    }
  }

  @Test(
    "every reserved opcode, from two bytes alone", arguments: [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
  func unknownOpcode(opcode: UInt8) {
    expect(Array(FrameBytes.frame(opcode).prefix(2)), toFailWith: .unknownOpcode)
  }

  @Test("an unmasked frame at a server and a masked one at a client")
  func masking() {
    for opcode in WebSocketOpcode.allCases {
      expect(
        Array(FrameBytes.frame(opcode.rawValue, isMasked: false).prefix(2)), toFailWith: .masking)
      expect(
        Array(FrameBytes.frame(opcode.rawValue).prefix(2)), toFailWith: .masking, role: .client)
    }
  }

  @Test("a fragmented control frame", arguments: [8, 9, 10])
  func fragmentedControl(opcode: UInt8) {
    expect(
      Array(FrameBytes.frame(opcode, isFinal: false).prefix(2)), toFailWith: .fragmentedControl)
  }

  @Test("a control frame that declares more than 125 bytes", arguments: [8, 9, 10])
  func oversizedControl(opcode: UInt8) {
    expect(
      Array(FrameBytes.header(opcode, declaring: 126).prefix(2)), toFailWith: .oversizedControl)
    expect(
      Array(FrameBytes.header(opcode, declaring: 70_000).prefix(2)), toFailWith: .oversizedControl)
  }

  @Test("a length that fits fewer bytes")
  func nonMinimalLength() {
    for length in [0, 1, 125] as [UInt16] {
      expect(FrameBytes.header(length16: length), toFailWith: .lengthEncoding)
    }
    for length in [0, 125, 126, 65_535] as [UInt64] {
      expect(FrameBytes.header(length64: length), toFailWith: .lengthEncoding)
    }
  }

  @Test("a 64-bit length with the top bit set")
  func topBit() {
    for length in [1 << 63, (1 << 63) + 5, .max] as [UInt64] {
      expect(FrameBytes.header(length64: length), toFailWith: .lengthEncoding)
    }
  }

  @Test("a continuation of nothing")
  func unexpectedContinuation() {
    expect(FrameBytes.frame(0, [1]), toFailWith: .unexpectedContinuation)
    expect(FrameBytes.frame(0, [1], isFinal: false), toFailWith: .unexpectedContinuation)
  }

  @Test("a continuation after the last fragment")
  func continuationAfterEnd() {
    let message = FrameBytes.frame(1, isFinal: false) + FrameBytes.frame(0)
    #expect(decode(message + FrameBytes.frame(0)).error?.kind == .unexpectedContinuation)
  }

  @Test("a new message inside a fragmented one", arguments: [1, 2])
  func interleavedMessage(opcode: UInt8) {
    let start = FrameBytes.frame(1, [1], isFinal: false)
    expect(start + FrameBytes.frame(opcode, [1]), toFailWith: .interleavedMessage)
    expect(start + FrameBytes.frame(opcode, [1], isFinal: false), toFailWith: .interleavedMessage)
  }

  @Test("a declared length over the limit, before any of the payload")
  func declaredLength() {
    for length in [11, 126, 65_536] {
      expect(
        FrameBytes.header(1, declaring: length), toFailWith: .messageTooLarge, closeCode: 1009,
        maximumMessageBytes: 10)
      expect(
        FrameBytes.header(2, declaring: length, isFinal: false), toFailWith: .messageTooLarge,
        closeCode: 1009, maximumMessageBytes: 10)
    }
    expect(
      FrameBytes.header(length64: UInt64(Int.max)), toFailWith: .messageTooLarge, closeCode: 1009)
  }

  @Test("fragments that together declare more than the limit, before the last one's payload")
  func declaredLengthOfFragments() {
    let start =
      FrameBytes.frame(1, [1, 2, 3, 4], isFinal: false)
      + FrameBytes.frame(0, [5, 6, 7, 8], isFinal: false)
    expect(
      start + FrameBytes.header(0, declaring: 3), toFailWith: .messageTooLarge, closeCode: 1009,
      maximumMessageBytes: 10)
    expect(
      start + [0x80, 0x80 | 127] + FrameBytes.bigEndian(UInt64(Int.max)) + FrameBytes.key,
      toFailWith: .messageTooLarge, closeCode: 1009, maximumMessageBytes: 10)
  }

  @Test("more fragments than the limit, though all are empty")
  func tooManyFragments() {
    let fragments = (1..<WebSocketLimits.maximumFragmentsPerMessage).flatMap { _ in
      FrameBytes.frame(0, isFinal: false)
    }
    expect(
      FrameBytes.frame(1, isFinal: false) + fragments + FrameBytes.header(0, declaring: 0),
      toFailWith: .tooManyFragments, closeCode: 1009)
  }
}
