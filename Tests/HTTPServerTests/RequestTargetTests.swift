import HTTPServer
import Testing

@Suite("The target of a request")
struct RequestTargetTests {
  @Test(
    "has a path up to the question mark, and a query behind it, without or with scheme and host",
    arguments: [
      ("/a/b?c=/d?e", "/a/b", "c=/d?e"), ("/a", "/a", nil), ("/a?", "/a", ""), ("", "", nil),
      ("*", "*", nil), ("?a", "", "a"), ("http://x/a?b", "/a", "b"), ("HTTPS://x:1/a", "/a", nil),
      ("http://x", "/", nil), ("http://x?a", "/", "a"), ("http:///a", "/a", nil),
      ("http://x//y", "//y", nil), ("http://https://x/a", "//x/a", nil),
      ("ftp://x/a", "ftp://x/a", nil),
      ("/http://x/a", "/http://x/a", nil), ("x:80", "x:80", nil),
    ] as [(String, String, String?)])
  func split(target: String, path: String, query: String?) {
    let parts = RequestTarget.split(target)
    #expect(parts.path == path)
    #expect(parts.query.map(String.init) == query)
  }

  @Test(
    "may stand for bytes by percent signs with two digits",
    arguments: [
      ("", []), ("a+b", Array("a+b".utf8)), ("%61%2f%C3%bc%00", [0x61, 0x2f, 0xc3, 0xbc, 0]),
      ("%", nil), ("%6", nil), ("%zz", nil), ("%+f", nil), ("a%6", nil),
    ] as [(String, [UInt8]?)])
  func percent(text: String, bytes: [UInt8]?) {
    #expect(RequestTarget.percentDecoded(text[...]) == bytes)
  }
}
