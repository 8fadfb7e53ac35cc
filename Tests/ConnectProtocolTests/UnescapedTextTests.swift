import Testing

@testable import ConnectProtocol

@Suite("The text of a JSON string")
struct UnescapedTextTests {
  /// Calls `body` with what stands between the quotes.
  private func with<Result>(_ content: String, _ body: (inout UnescapedText) -> Result) -> Result {
    Array(content.utf8).withUnsafeBytes { bytes in
      var text = UnescapedText(bytes)
      return body(&text)
    }
  }

  private func resolved(_ content: String) -> String {
    self.with(content) { text in
      var bytes: [UInt8] = []
      while let byte = text.next() { bytes.append(byte) }
      return String(decoding: bytes, as: UTF8.self)
    }
  }

  @Test("has every escape resolved")
  func escapes() {
    #expect(self.resolved("") == "")
    #expect(self.resolved("plain €") == "plain €")
    #expect(self.resolved(#"\"\\\/\b\f\n\r\t"#) == "\"\\/\u{8}\u{C}\n\r\t")
    #expect(
      self.resolved(#"\u0000\u0041\u007f\u0080\u07FF\u0800\uffff"#)
        == "\0A\u{7F}\u{80}\u{7FF}\u{800}\u{FFFF}")
    #expect(self.resolved(#"a\ud83d\uDE00b\uDBFF\udfffc"#) == "a😀b\u{10FFFF}c")
    for digits in ["0123", "4567", "89aB", "CdeF"] {
      #expect(
        self.resolved("\\u" + digits).unicodeScalars.first?.value == UInt32(digits, radix: 16))
    }
  }

  @Test("is compared with a name up to the first byte that differs, however long it is")
  func comparison() {
    let long = String(repeating: "\\u0061", count: 10_000)
    let cases: [(content: String, reads: Int, isEqual: Bool)] = [
      ("type", 4, true), ("\\u0074ype", 9, true), (#"\u0074\u0079\u0070\u0065"#, 24, true),
      ("typ", 3, false), ("types", 5, false), ("\\u0074ypes" + long, 10, false),
      ("x" + long, 1, false), (long, 6, false), ("t" + long, 7, false), ("\\n" + long, 2, false),
      (#"\u20acx"#, 6, false), ("", 0, false),
    ]
    for (content, reads, isEqual) in cases {
      self.with(content) { text in
        #expect(text.isRest("type") == isEqual, "\(content.prefix(30))")
        #expect(text.position == reads, "\(content.prefix(30))")
      }
    }
  }

  @Test("of a key with escapes is the name of a field, or is not, as it would be without them")
  func keys() throws {
    for key in ["type", #"\u0074ype"#, #"typ\u0065"#, #"\u0074\u0079\u0070\u0065"#] {
      #expect(try clientFrame(#"{"\#(key)":"ping"}"#) == .ping(id: nil))
      #expect(try clientFrame(#"{"type":"\#(key)","\#(key)":"\u0070ing"}"#) == .ping(id: nil))
    }
    for key in [
      #"\/"#, #"\n"#, #"\"type"#, #"\u0174ype"#, #"\u0074ypes"#, #"\u0074yp"#, #"type\u0000"#,
      #"t\ud83d\ude00"#, #"\ud83d\ude00"#, #"\u0054ype"#,
    ] {
      #expect(clientFrameError(#"{"\#(key)":"ping"}"#)?.message == "`type` is missing")
    }
  }
}
