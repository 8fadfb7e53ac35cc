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

  @Test("are found by their names in any letters, and taken apart at commas")
  func lists() {
    let headers: HTTPHeaders = [
      "Upgrade": "h2c, WebSocket\t", "upgrades": "x", "UPGRADE": " a ,, b", "Upgrad\u{65}-": "y",
      "x@": "1", "x`": "2", "X-\u{e4}": "3",
    ]
    #expect(headers.values(of: "upgrade") == ["h2c, WebSocket\t", " a ,, b"])
    #expect(headers.elements(of: "upgrade") == ["h2c", "WebSocket", "a", "b"])
    #expect(headers.values(of: "X@") == ["1"])
    #expect(headers.values(of: "x-\u{e4}") == ["3"])
    #expect(headers.elements(of: "none") == [])
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

  @Test(
    "have one Host, with or without a port, or an empty one",
    arguments: [
      "", "localhost", "chat.example:443", "a:", "127.0.0.1:80", "[::1]", "[::1]:8080",
      "[fe80::1%25eth0]", "[v1.a:b]:1", "a_b~c", "xn--bcher-kva.example", "%C3%BC", "a!$&'()*+,;=b",
      ":80",
    ])
  func host(value: String) {
    #expect(self.isHTTP11([value]))
    #expect(!self.isHTTP11([value, value]))
    #expect(!self.isHTTP11([]))
    #expect(!self.isHTTP11([value], version: .http1_0))
  }

  @Test(
    "have no Host that is not one",
    arguments: [
      "a b/?", "a b", " ", "a/", "a?b", "a#b", "u@a", "a:b", "a:8 0", "a:80:80", "a:-1", "::1",
      "[::1",
      "[::1]x", "[::1]:x", "::1]", "a[b]", "[a]b]", "%", "%4", "%zz", "[%2]", "ü", "a\u{1}",
      "a\u{7f}",
      "a\"b", "<a>", "a\\b", "http://a", "a^b", "{a}", "a|b", "a`b",
    ])
  func noHost(value: String) {
    #expect(!self.isHTTP11([value]))
  }

  private func isHTTP11(_ hosts: [String], version: HTTPVersion = .http1_1) -> Bool {
    HTTPRequestHead(
      version: version, method: .GET, uri: "/", headers: HTTPHeaders(hosts.map { ("Host", $0) })
    ).isHTTP11
  }

  private func credentials(_ fields: [String]) -> BearerCredentials {
    BearerCredentials(HTTPHeaders(fields.map { ("Authorization", $0) }))
  }
}
