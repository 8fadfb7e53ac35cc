import ConnectClient
import Testing

@testable import ConnectCommand

@Suite struct ChatTextTests {
  @Test(arguments: ["", "hello", "a \"b\" \\ c", "tab\tbell\u{7}", "ä 你好 👍🏽", "{\"text\":1}"])
  func aTextComesBackFromItsBody(text: String) throws {
    #expect(ChatBody.decode(try MessageBody(json: ChatBody.encode(text))) == text)
  }

  @Test(arguments: ["1", "null", "{\"text\":1}", "[\"text\"]", "{\"image\":\"x\"}"])
  func bodiesOfAnotherFormAreShownAsTheyAre(body: String) throws {
    #expect(ChatBody.decode(try MessageBody(json: body)) == body)
  }

  @Test func aLineOfAPipeIsOneLine() {
    #expect(ChatBody.line("a\nb\r\nc") == "a\\nb\\r\\nc")
    #expect(ChatBody.line("a\\nb\t\u{1B}") == "a\\nb\t\u{1B}")
  }

  @Test func aLineOnATerminalMovesNoCursorAndSetsNoTitle() {
    let evil = "a\u{1B}]0;title\u{7}b\u{9B}2Jc\u{9D}0;x\u{9C}d\ne"
    #expect(
      ChatBody.line(evil, isForTerminal: true)
        == "a\u{FFFD}]0;title\u{FFFD}b\u{FFFD}2Jc\u{FFFD}0;x\u{FFFD}d\\ne")
    #expect(ChatBody.line("ä 你好", isForTerminal: true) == "ä 你好")
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
    let text = Array("one\n\r\ntwo\r\nä\nlast".utf8)
    for size in 1...text.count {
      var splitter = LineSplitter(maximumBytes: 10)
      var lines: [String] = []
      for start in stride(from: 0, to: text.count, by: size) {
        let (more, fault) = splitter.append(Array(text[start..<min(start + size, text.count)]))
        lines += more
        #expect(fault == nil)
      }
      #expect(lines == ["one", "", "two", "ä"])
      #expect(try splitter.finish() == "last")
      #expect(try splitter.finish() == nil)
    }
  }

  @Test(arguments: [("last\r", "last"), ("a\rb", "a\rb"), ("a\r\r", "a\r"), ("\r", "")])
  func aLastLineWithoutALineFeedHasNoCarriageReturn(text: String, line: String) throws {
    var splitter = LineSplitter(maximumBytes: 10)
    #expect(splitter.append(Array("one\n\(text)".utf8)) == (["one"], nil))
    #expect(try splitter.finish() == line)
    #expect(try splitter.finish() == nil)
  }

  @Test func aLineHasALimit() throws {
    var splitter = LineSplitter(maximumBytes: 4)
    #expect(splitter.append(Array("1234\n1234".utf8)) == (["1234"], nil))
    #expect(splitter.append([0x35]) == ([], .tooLong))
  }

  @Test func aLineThatIsNoTextIsNamedAndNothingOfItIsSent() {
    var splitter = LineSplitter(maximumBytes: 10)
    let bytes = Array("one\ntwo\n".utf8) + [0x66, 0xFC, 0x72, 0x0A] + Array("four\n".utf8)
    #expect(splitter.append(bytes) == (["one", "two"], .notUTF8(line: 3)))
    var unfinished = LineSplitter(maximumBytes: 10)
    #expect(unfinished.append([0x61, 0x0A, 0xC3]) == (["a"], nil))
    #expect(throws: LineSplitter.Fault.notUTF8(line: 2)) { try unfinished.finish() }
  }
}
