import Testing

@testable import WebSocket

@Suite("The mask")
struct MaskTests {
  @Test("is the same, 8 bytes at a time, as one at a time, at every length and alignment")
  func matchesByteByByte() {
    for length in 0...70 {
      for alignment in 0..<8 {
        let payload = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
        var bytes = [UInt8](repeating: 0xEE, count: alignment) + payload + [0xEE]
        bytes.withUnsafeMutableBytes {
          WebSocketMask.apply(0x37FA_213D, to: .init(rebasing: $0[alignment..<alignment + length]))
        }
        #expect(Array(bytes[alignment..<alignment + length]) == FrameBytes.masked(payload))
        #expect(bytes[..<alignment].allSatisfy { $0 == 0xEE } && bytes.last == 0xEE)
      }
    }
  }
}
