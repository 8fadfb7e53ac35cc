import Testing

@testable import ConnectCommand

@Suite struct ChatScreenTests {
  @Test func withoutATerminalThereAreOnlyLines() {
    var screen = ChatScreen(isTerminal: false)
    #expect(screen.start() == "")
    #expect(screen.line("hello", columns: 3) == "hello\n")
    #expect(screen.own("me", typed: "me", id: "1", columns: 80) == "me\n")
    #expect(
      screen.tick(.accepted, id: "1", column: 9, line: nil, columns: 80, rows: 24) == "")
    #expect(screen.end() == "")
  }

  @Test func aLineGoesAboveTheOneThatIsTyped() {
    var screen = ChatScreen(isTerminal: true)
    let line = screen.line("hello", columns: 80)
    #expect(line == "\u{1B}D\u{1B}[A\u{1B}7\r\u{1B}[Lhello\u{1B}8\u{1B}[B")
  }

  @Test func aTickChangesWhereItStands() {
    var screen = ChatScreen(isTerminal: true)
    _ = screen.own("12:00:00 …  me: hi", typed: "hi", id: "1", columns: 80)
    _ = screen.line("hello", columns: 80)
    _ = screen.line(String(repeating: "x", count: 100), columns: 80)
    let up = "\u{1B}7\u{1B}[4A\r\u{1B}[9C"
    #expect(
      screen.tick(.accepted, id: "1", column: 9, line: nil, columns: 80, rows: 24)
        == up + "✓ \u{1B}8")
    #expect(
      screen.tick(.delivered, id: "1", column: 9, line: nil, columns: 80, rows: 24)
        == up + "✓✓\u{1B}8")
    // Nothing takes the second tick away again.
    #expect(screen.tick(.accepted, id: "1", column: 9, line: nil, columns: 80, rows: 24) == "")
    #expect(
      screen.tick(.read, id: "1", column: 9, line: nil, columns: 80, rows: 24)
        == up + "\u{1B}[36m✓✓\u{1B}[39m\u{1B}8")
    #expect(screen.tick(.delivered, id: "1", column: 9, line: nil, columns: 80, rows: 24) == "")
  }

  @Test func aStatusComesAboveTheLineThatIsTypedAndGoesWithItsRow() {
    var screen = ChatScreen(isTerminal: true)
    _ = screen.own("first", typed: "first", id: "1", columns: 80)
    #expect(
      screen.status("bob is typing…", columns: 80, rows: 24)
        == "\u{1B}D\u{1B}[A\u{1B}7\r\u{1B}[Lbob is typing…\u{1B}8\u{1B}[B")
    _ = screen.own("second", typed: "second", id: "2", columns: 80)
    #expect(
      screen.status(nil, columns: 80, rows: 24) == "\u{1B}7\u{1B}[2A\u{1B}[M\u{1B}8\u{1B}[A")
    #expect(screen.status(nil, columns: 80, rows: 24) == "")
    // Both ticks are found where their messages stand now.
    for (id, up) in [("1", 2), ("2", 1)] {
      let tick = screen.tick(.accepted, id: id, column: 9, line: nil, columns: 80, rows: 24)
      #expect(tick.contains("\u{1B}[\(up)A"), "\(id)")
    }
  }

  @Test func aStatusIsLeftWhereItHasScrolledAwayAndIsNoneInAFile() {
    var screen = ChatScreen(isTerminal: true)
    _ = screen.status("bob is typing…", columns: 80, rows: 24)
    for _ in 0..<24 { _ = screen.line("hello", columns: 80) }
    #expect(screen.status(nil, columns: 80, rows: 24) == "")
    var file = ChatScreen(isTerminal: false)
    #expect(file.status("bob is typing…", columns: 80, rows: 24) == "")
  }

  @Test func whatHasScrolledAwayIsLeftAlone() {
    var screen = ChatScreen(isTerminal: true)
    _ = screen.own("me", typed: "me", id: "1", columns: 80)
    for _ in 0..<24 { _ = screen.line("hello", columns: 80) }
    #expect(screen.tick(.accepted, id: "1", column: 9, line: nil, columns: 80, rows: 24) == "")
  }

  @Test(arguments: [
    ("", 1), ("12345678", 1), ("123456789", 2), ("\u{1B}[A\u{1B}[B", 1),
    ("\u{1B}[A\u{1B}[B\u{1}", 2), ("\tx", 1), ("\t12", 1), ("\t123", 2), ("你好你好", 1), ("你好你好你", 2),
  ])
  func whatTheTerminalEchoedIsCountedAsItEchoesIt(typed: String, rows: Int) {
    #expect(ChatScreen.echoedRows(typed, columns: 10) == rows)
    let screen = ChatScreen(isTerminal: true)
    #expect(screen.empty(typed: typed, columns: 10) == "\u{1B}[\(rows)A\r\u{1B}[J> ")
  }

  @Test func rowsAreCutByWhatTheyShow() {
    #expect(ChatScreen.wrap("abcdef", columns: 5) == ["abcd", "ef"])
    #expect(ChatScreen.wrap("你好a", columns: 5) == ["你好", "a"])
    #expect(ChatScreen.wrap("", columns: 5) == [""])
  }
}
