import Testing

@testable import ConnectCommand

@Suite("The tables of connect inspect")
struct InspectTextTests {
  @Test("columns are as wide as their widest word, numbers to the right")
  func columns() {
    var table = TextTable([("NAME", .left), ("COUNT", .right), ("NOTE", .left)])
    table.add("a", "7", "")
    table.add("longer", "12345678", "x")
    #expect(
      table.text() == """
        NAME       COUNT  NOTE
        a              7
        longer  12345678  x

        """)
  }

  @Test("a line that is too long for the terminal is cut, and says so")
  func cut() {
    var table = TextTable([("A", .left), ("B", .left)])
    table.add("1234", "567890")
    #expect(table.text(width: 8) == "A     B\n1234  5…\n")
    #expect(table.text(width: 12) == "A     B\n1234  567890\n")
  }

  @Test("what others wrote cannot move the cursor")
  func control() {
    var table = TextTable([("A", .left)])
    table.add("x\u{1B}[2Jy\nz")
    #expect(!table.text().contains("\u{1B}"))
    #expect(table.text().split(separator: "\n").count == 2)
  }

  @Test(
    "time spans are told by their largest unit",
    arguments: [
      (0, "0 ms"), (999, "999 ms"), (1_000, "1.0 s"), (9_999, "9.9 s"), (10_000, "10 s"),
      (119_999, "119 s"), (120_000, "2 min"), (7_200_000, "2 h"), (172_800_000, "2 d"),
      (-5, "0 ms"),
    ])
  func spans(milliseconds: Int, text: String) {
    #expect(Quantity.span(milliseconds: milliseconds) == text)
  }

  @Test(
    "memory is told in binary units",
    arguments: [(0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KiB"), (5 << 30, "5.0 GiB")])
  func bytes(count: Int, text: String) {
    #expect(Quantity.bytes(count) == text)
  }
}
