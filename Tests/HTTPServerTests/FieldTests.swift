import HTTPServer
import NIOHTTP1
import Testing

@Suite("The fields of a request")
struct FieldTests {
  @Test("lose the spaces and tabs around their values, and nothing else")
  func whitespace() {
    var headers: HTTPHeaders = [
      "A": "x \t", "B": "\t x", "C": " ", "D": "", "E": "a  b", "F": "x\u{a0}", "G": " a, b ",
    ]
    headers.add(name: "A", value: " y")
    headers.stripOptionalWhitespace()
    #expect(
      headers.map { "\($0.name)=\($0.value)" } == [
        "A=x", "B=x", "C=", "D=", "E=a  b", "F=x\u{a0}", "G=a, b", "A=y",
      ])
  }

  @Test(
    "give a token by the scheme Bearer, in any letters and after any spaces, past other schemes",
    arguments: [
      ["Bearer a.b.c"], ["bearer a.b.c"], ["BEARER   a.b.c"], ["Basic YTpi", "Bearer a.b.c"],
      ["Bearer a.b.c", "Basic YTpi"], ["", "Bearer a.b.c"], ["Bearers x", "Bearer a.b.c"],
    ])
  func token(_ fields: [String]) {
    #expect(self.credentials(fields) == .token("a.b.c"))
  }

  @Test(
    "give none by other schemes",
    arguments: [
      [], [""], ["Basic YTpi"], ["a.b.c"], ["Bearers a"], ["Digest a=\"Bearer\", b=c"],
      ["Bearer\ta"], ["Basic a, Bearer b"],
    ])
  func none(_ fields: [String]) {
    #expect(self.credentials(fields) == .none)
  }

  @Test(
    "are malformed with a Bearer that has not one token, or is there twice",
    arguments: [
      ["Bearer"], ["Bearer a b"], ["Bearer a\tb"], ["Bearer a", "Bearer a"],
      ["Bearer", "Bearer a"],
      ["Bearer a", "bearer"],
    ])
  func malformed(_ fields: [String]) {
    #expect(self.credentials(fields) == .malformed)
  }

  private func credentials(_ fields: [String]) -> BearerCredentials {
    BearerCredentials(HTTPHeaders(fields.map { ("Authorization", $0) }))
  }
}
