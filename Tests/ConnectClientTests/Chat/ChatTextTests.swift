import ConnectProtocol
import Testing

@testable import ConnectCommand

@Suite struct ChatTextTests {
  @Test(arguments: ["", "hello", "a \"b\" \\ c", "tab\tbell\u{7}", "ä 你好 👍🏽", "{\"text\":1}"])
  func aTextComesBackFromItsBody(text: String) throws {
    let body = ChatBody.encode(text)
    try body.withUnsafeBytes { try JSONBody.check($0) }
    #expect(ChatBody.decode(body) == text)
  }

  @Test(arguments: ["1", "null", "{\"text\":1}", "[\"text\"]", "{\"image\":\"x\"}"])
  func bodiesOfAnotherFormAreShownAsTheyAre(body: String) {
    #expect(ChatBody.decode(Array(body.utf8)) == body)
  }

  @Test func aLineOfAPipeIsOneLine() {
    #expect(ChatBody.line("a\nb\r\nc") == "a\\nb\\r\\nc")
    #expect(ChatBody.line("a\\nb\t\u{1B}") == "a\\nb\t\u{1B}")
  }

  @Test func nobodyElsesTextMovesTheCursor() {
    let evil = "a\u{1B}[2Jb\u{9B}c\u{202E}d\re"
    #expect(ChatBody.visible(evil) == "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}d\u{FFFD}e")
    #expect(ChatBody.visible("two\nlines 你好") == "two⏎ lines 你好")
  }

  @Test(arguments: [
    ("hello", "hello"), ("a\u{1B}[Ab", "ab"), ("\u{1B}[1;5Cx\u{1B}OP", "x"), ("\u{1B}", ""),
    ("\u{1B}[", ""), ("a\u{1}\u{7F}\u{9B}b", "ab"), ("a\tb", "a\tb"), ("ä 你好 👍🏽", "ä 你好 👍🏽"),
  ])
  func keysThatTypeNoTextSendNone(line: String, text: String) {
    #expect(ChatBody.typed(line) == text)
  }

  @Test func theUserOfATokenIsRead() {
    // {"sub":"alice","exp":1} without padding.
    let payload = "eyJzdWIiOiJhbGljZSIsImV4cCI6MX0"
    #expect(TokenSubject.of("eyJhbGciOiJIUzI1NiJ9.\(payload).c2ln") == "alice")
    #expect(TokenSubject.of("\(payload)") == nil)
    #expect(TokenSubject.of("a.b.c") == nil)
    #expect(TokenSubject.of("") == nil)
  }

  @Test func inputIsCutIntoLinesHoweverItComes() throws {
    let text = Array("one\n\ntwo\nä\nlast".utf8)
    for size in 1...text.count {
      var splitter = LineSplitter(maximumBytes: 10)
      var lines: [String] = []
      for start in stride(from: 0, to: text.count, by: size) {
        lines += try splitter.append(Array(text[start..<min(start + size, text.count)]))
      }
      #expect(lines == ["one", "", "two", "ä"])
      #expect(splitter.finish() == "last")
      #expect(splitter.finish() == nil)
    }
  }

  @Test func aLineHasALimit() throws {
    var splitter = LineSplitter(maximumBytes: 4)
    #expect(try splitter.append(Array("1234\n1234".utf8)) == ["1234"])
    #expect(throws: LineSplitter.TooLong.self) { try splitter.append([0x35]) }
  }
}
