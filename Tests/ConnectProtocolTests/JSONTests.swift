import ConnectProtocol
import SeededRandom
import Testing

@Suite("JSON text")
struct JSONTests {
  @Test(
    "is taken in every form of RFC 8259",
    arguments: [
      "{}", "[]", "\"\"", "0", "-0", "-0.0", "1", "10", "-123", "0.5", "1.25", "1e5", "1E+5",
      "1e-05", "123456789012345678901234567890", "1e999", "true", "false", "null",
      "[1,2,[3,[]],{}]", "{\"a\":{\"b\":[{\"c\":null}]},\"\":0}", "{\"a\":1,\"a\":2}",
      " \t\n\r[ 1 , { \"a\" : \"b\" } , [ ] , { } ] \t\n\r",
      #""\"\\\/\b\f\n\r\t\u0000\u00e9\uD83D\uDE00\ud83d\ude00\uFFFF""#,
      "\"\u{7F}\u{80}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FFFF}\u{10000}\u{10FFFF}\"",
      "\"0123456 8901234 67890\u{2028}\"",
    ])
  func valid(text: String) {
    #expect(bodyError(text) == nil)
  }

  @Test(
    "is refused in every other form",
    arguments: [
      "", " ", "{", "}", "[", "]", "\"", ",", ":", "{]", "[}", "[1", "[1,", "[1,]", "[,1]", "[1 2]",
      "[1,,2]", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "{'a':1}",
      "{1:1}", "{\"a\":1 \"b\":2}", "{\"a\":1;\"b\":2}", "{null:1}", "{\"a\"::1}",
      "00", "01", "-", "-01", "+1", ".5", "1.", "1.e5", "1e", "1e+", "1e1.5", "0x10", "1_0", "--1",
      "NaN", "Infinity", "-Infinity", "True", "tru", "truee", "nul", "nulll", "fals", "undefined",
      "1 2", "{} {}", "[] ,", "null\0", "\0", "// c\n1", "/* c */1", "1 // c", "\u{FEFF}1",
      "\u{A0}1", "\u{0B}1", "'a'", "\"a", "\"a\\", "\"a\\\"", "\"\\x\"", "\"\\U0041\"", "\"\\u\"",
      "\"\\u12\"", "\"\\u123g\"", "\"\\u+123\"", "\"\n\"", "\"\t\"", "\"\u{1F}\"", "\"a\0b\"",
    ])
  func invalid(text: String) {
    #expect(bodyError(text)?.kind == .malformed)
  }

  @Test(
    "has surrogate escapes in pairs only",
    arguments: [
      #""\uD83D""#, #""\uDE00""#, #""\uDE00\uD83D""#, #""\uD83Dx""#, #""\uD83D\n""#,
      #""\uD83D\u0041""#, #""\uD83D\uD83D\uDE00""#, #""\uD83D\uDE""#, #""\uD83D\"#, #""\uD83D\u"#,
    ])
  func loneSurrogates(text: String) {
    #expect(bodyError(text)?.kind == .malformed)
  }

  @Test("has no control character at any place of a string")
  func controlCharacters() {
    for position in 0..<20 {
      for byte in UInt8(0)..<0x20 {
        var bytes = Array("\"01234567890123456789\"".utf8)
        bytes[position + 1] = byte
        #expect(
          bodyError(bytes)?.message == "control character in a string at byte \(position + 1)")
      }
    }
  }

  @Test("may hold every other byte of ASCII at any place of a string")
  func plainCharacters() {
    for position in 0..<20 {
      for byte in UInt8(0x20)..<0x80 where byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
      {
        var bytes = Array("\"01234567890123456789\"".utf8)
        bytes[position + 1] = byte
        #expect(bodyError(bytes) == nil)
      }
    }
  }

  @Test("may nest 507 levels in a frame, and no deeper")
  func depth() {
    func nested(_ levels: Int, _ open: String, _ close: String) -> String {
      String(repeating: open, count: levels) + String(repeating: close, count: levels)
    }
    func frame(_ body: String) -> String {
      "{\"type\":\"send\",\"id\":\"m\",\"to\":\"a\",\"body\":\(body)}"
    }
    #expect(clientFrameError(frame(nested(507, "[", "]"))) == nil)
    #expect(
      clientFrameError(frame(nested(508, "[", "]")))?.message == "nested too deep at byte 547")
    #expect(clientFrameError(frame(nested(506, "[{\"a\":", "}]") + "x"))?.kind == .malformed)
    #expect(clientFrameError(frame(nested(100_000, "[", "]")))?.kind == .malformed)
    #expect(
      clientFrameError(frame(String(repeating: "{\"\":", count: 100_000)))?.kind == .malformed)
    let mixed =
      String(repeating: "[{\"a\":", count: 253) + "[]" + String(repeating: "}]", count: 253)
    #expect(clientFrameError(frame(mixed)) == nil)
    #expect(bodyError(nested(507, "[", "]")) == nil)
    #expect(bodyError(nested(508, "[", "]"))?.kind == .malformed)
  }

  @Test("closes every container with its own bracket, however deep")
  func brackets() {
    var generator = SplitMix64(seed: 7)
    for _ in 0..<200 {
      let open = (0..<Int.random(in: 1...507, using: &generator)).map { _ in
        Bool.random(using: &generator)
      }
      let head = open.map { $0 ? "{\"k\":" : "[" }.joined()
      let tail = open.reversed().map { $0 ? "}" : "]" }
      #expect(bodyError(head + "0" + tail.joined()) == nil)
      var wrong = tail
      let index = wrong.indices.randomElement(using: &generator)!
      wrong[index] = wrong[index] == "}" ? "]" : "}"
      #expect(bodyError(head + "0" + wrong.joined())?.kind == .malformed)
    }
  }

  @Test("tells where it is wrong")
  func positions() {
    #expect(bodyError("[1,]")?.message == "expected a value at byte 3")
    #expect(bodyError("{\"a\" 1}")?.message == "expected a colon at byte 5")
    #expect(bodyError("[1 2]")?.message == "expected a comma or the end at byte 3")
    #expect(bodyError("[1")?.message == "unexpected end at byte 2")
    #expect(bodyError("1 2")?.message == "expected nothing more at byte 2")
    #expect(bodyError(#"["\ud800"]"#)?.message == "lone surrogate at byte 2")
  }
}
