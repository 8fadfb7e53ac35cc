import NIOHTTP1

extension HTTPRequestHead {
  /// The rule of ``isHTTP11``, in a sentence.
  package static let isHTTP11Rule =
    "the request must be of HTTP/1.1, and have one valid Host (RFC 9112, section 3.2)"

  /// Whether it is a request of HTTP/1.1 as far as NIO's parser does not look at it.
  package var isHTTP11: Bool {
    guard self.version == .http1_1 else { return false }
    let hosts = self.headers.values(of: "host")
    return hosts.count == 1 && Self.isHost(hosts[0].utf8)
  }

  /// Whether it is a host with or without a port, by its characters (RFC 3986, section 3.2.2), or empty, as
  /// where the target has no host.
  private static func isHost(_ value: String.UTF8View) -> Bool {
    var rest = value[...]
    let isLiteral = rest.first == UInt8(ascii: "[")
    if isLiteral { rest.removeFirst() }
    while let byte = rest.first, Self.isOfHost(byte) || isLiteral && byte == UInt8(ascii: ":") {
      rest.removeFirst()
      guard byte == UInt8(ascii: "%") else { continue }
      for _ in 0..<2 {
        guard let digit = rest.popFirst(), Self.isHexadecimal(digit) else { return false }
      }
    }
    if isLiteral, rest.popFirst() != UInt8(ascii: "]") { return false }
    guard let colon = rest.popFirst() else { return true }
    return colon == UInt8(ascii: ":") && rest.allSatisfy(Self.isDigit)
  }

  private static func isOfHost(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    default: Self.isDigit(byte) || Self.otherHostBytes.contains(byte)
    }
  }

  private static let otherHostBytes = Array("-._~!$&'()*+,;=%".utf8)

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    Self.isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
  }
}
