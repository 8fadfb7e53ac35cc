/// A request that the parser of HTTP refuses, and what every port that answers in JSON says to it.
package struct ParserRefusal: Sendable, CustomStringConvertible {
  package let request: String
  package let status: Int
  package let code: String

  /// Its beginning: some are long.
  package var description: String { String(self.request.prefix(40)) }

  package static let all = Self.rows.map { ParserRefusal(request: $0, status: $1, code: $2) }

  private static let rows: [(String, Int, String)] = [
    ("hello\r\n\r\n", 400, "malformed"),
    ("GET / HTTP/3.0\r\n\r\n", 400, "malformed"),
    ("GET\r\n\r\n", 400, "malformed"),
    ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "malformed"),
    ("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "malformed"),
    (
      "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
      "malformed"
    ),
    ("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "malformed"),
    ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}", 400, "malformed"),
    (
      "GET / HTTP/1.1\r\nX: \(String(repeating: "x", count: 100_000))\r\n\r\n", 431,
      "header_too_large"
    ),
    (
      "GET / HTTP/1.1\r\n\((0..<200).map { "a\($0): b\r\n" }.joined())\r\n", 431,
      "header_too_large"
    ),
    (
      "GET /\(String(repeating: "x", count: 100_000)) HTTP/1.1\r\n\r\n", 431, "header_too_large"
    ),
  ]
}
