import Testing

@testable import LocalRedis

@Suite("Lines are put together")
struct LineAssemblerTests {
  @Test("from any pieces", arguments: 1...9)
  func pieces(size: Int) {
    let bytes = Array("one\ntwo\n\nä\r\nrest".utf8)
    var assembler = LineAssembler()
    var lines: [String] = []
    for start in stride(from: 0, to: bytes.count, by: size) {
      lines += assembler.append(bytes[start..<min(start + size, bytes.count)])
    }
    #expect(lines == ["one", "two", "", "ä\r"])
    #expect(assembler.finish() == ["rest"])
    #expect(assembler.finish() == [])
  }

  @Test("up to a limit, beyond which they come in pieces")
  func limit() {
    var assembler = LineAssembler(limitBytes: 4)
    #expect(
      assembler.append("four\nfives\neleven_long".utf8) == ["four", "five", "s", "elev", "en_l"])
    #expect(assembler.finish() == ["ong"])
  }
}
