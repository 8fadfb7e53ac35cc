import ConnectProtocol
import SeededRandom
import Testing

@Suite("UTF-8")
struct UTF8Tests {
  /// Broken sequences, each with what is wrong with it.
  static let broken: [(String, [UInt8])] = [
    ("lone continuation", [0x80]), ("lone continuation", [0xBF]),
    ("overlong slash", [0xC0, 0xAF]), ("overlong NUL", [0xC0, 0x80]), ("overlong", [0xC1, 0xBF]),
    ("overlong", [0xE0, 0x80, 0xAF]), ("overlong", [0xE0, 0x9F, 0xBF]),
    ("overlong", [0xF0, 0x80, 0x80, 0xAF]), ("overlong", [0xF0, 0x8F, 0xBF, 0xBF]),
    ("surrogate", [0xED, 0xA0, 0x80]), ("surrogate", [0xED, 0xBF, 0xBF]),
    ("surrogate pair", [0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80]),
    ("above U+10FFFF", [0xF4, 0x90, 0x80, 0x80]), ("above U+10FFFF", [0xF5, 0x80, 0x80, 0x80]),
    ("five bytes", [0xF8, 0x88, 0x80, 0x80, 0x80]), ("no UTF-8 byte", [0xFE]),
    ("no UTF-8 byte", [0xFF]), ("cut short", [0xC3]), ("cut short", [0xE2, 0x82]),
    ("cut short", [0xF0, 0x9F, 0x98]), ("cut short", [0xF0]), ("cut short", [0xE2, 0x82, 0x41]),
    ("cut short", [0xC3, 0xC3, 0xA9]), ("Latin-1", [0xE9, 0x74, 0xE9]),
  ]

  @Test("is refused when broken, at any place of a string", arguments: broken)
  func brokenInStrings(name: String, sequence: [UInt8]) {
    for prefix in 0..<18 {
      let bytes =
        Array("\"".utf8) + Array(repeating: UInt8(ascii: "a"), count: prefix) + sequence
        + Array("\"".utf8)
      #expect(bodyError(bytes)?.kind == .notUTF8, "\(name) after \(prefix) bytes")
    }
  }

  @Test("is refused when broken, in any part of a frame", arguments: broken)
  func brokenInFrames(name: String, sequence: [UInt8]) {
    let text = #"{"type":"send","id":"m1","to":"bob","x":[1,true],"body":{"k":"v"}}"#
    #expect(clientFrameError(text) == nil)
    for position in 0...text.utf8.count {
      var bytes = Array(text.utf8)
      bytes.insert(contentsOf: sequence, at: position)
      #expect(clientFrameError(bytes)?.kind == .notUTF8, "\(name) at \(position)")
    }
  }

  @Test("outweighs every other fault")
  func precedence() {
    for text in ["{", "[}", "{\"type\":\"x\"}", "{\"type\":\"send\",\"id\":\"\"}", "nonsense", ""] {
      #expect(clientFrameError(text)?.kind != .notUTF8)
      let error = clientFrameError(Array(text.utf8) + [0xFF])
      #expect(error?.kind == .notUTF8)
      #expect(error?.code == nil)
      #expect(error?.message == "not UTF-8 at byte \(text.utf8.count)")
    }
  }

  @Test("agrees with the standard library on every sequence of two bytes and many of four")
  func agreement() {
    func check(_ sequence: [UInt8]) {
      let expected = String(validating: sequence, as: UTF8.self) != nil
      let bytes = Array("\"".utf8) + sequence + Array("\"".utf8)
      #expect((bodyError(bytes)?.kind != .notUTF8) == expected, "\(sequence)")
    }
    for first in UInt8(0x80)...0xFF {
      for second in stride(from: UInt8.min, through: 0xFF, by: 1) { check([first, second]) }
    }
    var generator = SplitMix64(seed: 11)
    for _ in 0..<20_000 {
      check([
        UInt8.random(in: 0xC0...0xFF, using: &generator),
        UInt8.random(in: 0x78...0xC8, using: &generator),
        UInt8.random(in: 0x78...0xC8, using: &generator),
        UInt8.random(in: 0x78...0xC8, using: &generator),
      ])
    }
  }
}
