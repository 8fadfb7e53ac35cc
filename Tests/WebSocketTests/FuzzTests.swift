import NIOCore
import SeededRandom
import Testing
import WebSocket

@Suite("Whatever bytes come, the decoder")
struct FuzzTests {
  private static let limit = 2_000

  /// Feeds the stream in pieces of random size, checks what must hold after each, and returns what
  /// came out.
  private func run(
    _ stream: [UInt8], role: WebSocketRole, using generator: inout SplitMix64
  ) -> Decoded {
    var decoder = WebSocketDecoder(role: role, maximumMessageBytes: Self.limit)
    var all = Decoded()
    var start = 0
    while start < stream.count {
      let end = min(start + Int.random(in: 1...400, using: &generator), stream.count)
      let decoded = decoder.decode([Array(stream[start..<end])])
      start = end
      all.events += decoded.events
      #expect(decoder.bufferedBytes <= Self.limit + WebSocketLimits.bufferedSlackBytes)
      if let error = decoded.error {
        #expect(all.error == nil, "a dead decoder threw again")
        all.error = error
      }
      if all.error != nil { #expect(decoder.bufferedBytes == 0) }
    }
    for event in all.events {
      switch event {
      case .text(let payload), .binary(let payload):
        #expect(payload.readableBytes <= Self.limit)
      case .ping(let payload), .pong(let payload), .close(_, let payload):
        #expect(payload.readableBytes <= 125)
      }
    }
    return all
  }

  /// Legal frames: messages in one to four fragments, control frames between them, a close or not.
  private func frames(isMasked: Bool, using generator: inout SplitMix64) -> [UInt8] {
    var stream: [UInt8] = []
    for _ in 0..<Int.random(in: 1...5, using: &generator) {
      var opcode = UInt8.random(in: 1...2, using: &generator)
      for left in (0..<Int.random(in: 1...4, using: &generator)).reversed() {
        let count = Int.random(
          in: 0...[5, 125, 500].randomElement(using: &generator)!, using: &generator)
        stream += FrameBytes.frame(
          opcode, [UInt8](repeating: 0x41, count: count), isFinal: left == 0, isMasked: isMasked)
        opcode = 0
        if Bool.random(using: &generator) {
          stream += FrameBytes.frame(.random(in: 9...10, using: &generator), isMasked: isMasked)
        }
      }
    }
    if Bool.random(using: &generator) {
      let close = FrameBytes.close(1000, Array("going".utf8))
      stream += FrameBytes.frame(8, close, isMasked: isMasked)
    }
    return stream
  }

  private func mutate(_ stream: inout [UInt8], using generator: inout SplitMix64) {
    for _ in 0..<Int.random(in: 0...3, using: &generator) where !stream.isEmpty {
      let index = Int.random(in: stream.indices, using: &generator)
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: stream[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 1: stream.remove(at: index)
      case 2: stream.insert(.random(in: .min ... .max, using: &generator), at: index)
      default: stream.removeLast(stream.count - index)
      }
    }
  }

  @Test("neither traps nor hoards on random bytes", arguments: [WebSocketRole.server, .client])
  func randomBytes(role: WebSocketRole) async {
    var generator = SplitMix64(seed: 0x5EED)
    for round in 0..<4_000 {
      if round % 50 == 0 { await Task.yield() }
      let stream = (0..<Int.random(in: 1...600, using: &generator)).map { _ in
        UInt8.random(in: .min ... .max, using: &generator)
      }
      _ = run(stream, role: role, using: &generator)
    }
  }

  @Test(
    "finds the same in mutated frames, however they are cut",
    arguments: [WebSocketRole.server, .client])
  func mutatedFrames(role: WebSocketRole) async {
    var generator = SplitMix64(seed: 0xF4A3)
    var errors: Set<WebSocketError.Kind> = []
    var eventCount = 0
    for round in 0..<4_000 {
      if round % 50 == 0 { await Task.yield() }
      var stream = frames(isMasked: role == .server, using: &generator)
      mutate(&stream, using: &generator)
      let cut = run(stream, role: role, using: &generator)
      var decoder = WebSocketDecoder(role: role, maximumMessageBytes: Self.limit)
      #expect(decoder.decode([stream]) == cut)
      eventCount += cut.events.count
      if let error = cut.error { errors.insert(error.kind) }
    }
    #expect(eventCount > 4_000)
    #expect(errors.count >= 9, "the fuzz reaches most violations, not just the likeliest")
  }
}
