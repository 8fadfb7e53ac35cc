/// The origin of a browser's page: scheme, host and port, compared as RFC 6454, section 5, says.
package struct WebOrigin: Hashable, Sendable {
  /// The ports that are omitted, by scheme.
  private static let defaultPorts = ["https://": ":443", "http://": ":80"]

  /// In lower case, without a default port.
  let text: String

  /// - Parameter text: a value of `Origin`, or one that was configured. What is not an origin equals
  ///   no browser's.
  package init(_ text: String) {
    var text = text.lowercased()
    for (scheme, port) in Self.defaultPorts where text.hasPrefix(scheme) && text.hasSuffix(port) {
      text.removeLast(port.utf8.count)
    }
    self.text = text
  }

  /// Whether its host is below a domain.
  ///
  /// - Parameters:
  ///   - domain: `.example.com`, with a port where it is not the default one.
  ///   - scheme: `https://`.
  func isBelow(_ domain: String, scheme: String) -> Bool {
    let (text, scheme, domain) = (self.text.utf8, scheme.utf8, domain.utf8)
    guard text.count > scheme.count + domain.count, text.starts(with: scheme),
      text.suffix(domain.count).elementsEqual(domain)
    else { return false }
    return text.dropFirst(scheme.count).dropLast(domain.count).allSatisfy(Self.isOfHost)
  }

  private static func isOfHost(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
      true
    default: false
    }
  }
}
