import Testing

@testable import BackendAPI

@Suite("Service tokens")
struct ServiceTokensTests {
  private let first = String(repeating: "a", count: 31) + "1"
  private let second = String(repeating: "b", count: 1_024)

  @Test("are taken whole, each of them, and nothing else")
  func accepts() throws {
    let tokens = try ServiceTokens(lines: "\(self.first)\n\(self.second)\n")
    #expect(tokens.accepts(self.first.utf8))
    #expect(tokens.accepts(self.second.utf8))
    for other in [
      "", "a", String(self.first.dropLast()), self.first + "1", self.first + "\n",
      self.first.uppercased(), self.first + self.second, String(repeating: "a", count: 32),
    ] {
      #expect(!tokens.accepts(other.utf8), "\(other)")
    }
  }

  @Test("stand one on a line, whatever ends it, with empty lines and spaces around")
  func lines() throws {
    for text in [
      self.first, "\(self.first)\r\n", "\n\n  \(self.first)\t\n\n", "\(self.second)\r\(self.first)",
    ] {
      #expect(try ServiceTokens(lines: text).accepts(self.first.utf8))
    }
  }

  @Test(
    "are refused where they protect nothing, with a reason that does not show them",
    arguments: [
      ("", "is empty"), (" \n \r\n", "is empty"),
      ("0123456789abcdef0123456789abcde", "number 1 has 31 characters; it needs 32 to 1024"),
      (
        "0123456789abcdef0123456789abcdef\n\nshort",
        "number 2 has 5 characters; it needs 32 to 1024"
      ),
      (
        String(repeating: "x", count: 1_025), "number 1 has 1025 characters; it needs 32 to 1024"
      ),
      (
        "0123456789abcdef 0123456789abcdef",
        "number 1 holds a space or a character beyond ASCII, which no header carries"
      ),
      (
        "0123456789abcdef0123456789abcdé",
        "number 1 holds a space or a character beyond ASCII, which no header carries"
      ),
    ])
  func malformed(text: String, reason: String) {
    let error = #expect(throws: ServiceTokens.Malformed.self) { try ServiceTokens(lines: text) }
    #expect(error?.description == reason)
  }

  @Test("are not more than can be meant")
  func tooMany() {
    let lines = (10..<27).map { "0123456789abcdef0123456789abcd\($0)\n" }
    #expect(throws: ServiceTokens.Malformed.self) { try ServiceTokens(lines: lines.joined()) }
    #expect(throws: Never.self) { try ServiceTokens(lines: lines.dropLast().joined()) }
  }
}
