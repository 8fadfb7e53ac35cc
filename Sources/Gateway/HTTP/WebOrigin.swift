/// From where a page of a browser comes: scheme, host and port, compared as RFC 6454, section 5, says.
package struct WebOrigin: Hashable, Sendable {
  /// The ports that are left out, by scheme.
  private static let defaultPorts = ["https://": ":443", "http://": ":80"]

  private let text: String

  /// - Parameter text: a value of `Origin`, or one that was configured. What is not an origin equals
  ///   no browser's.
  package init(_ text: String) {
    var text = text.lowercased()
    for (scheme, port) in Self.defaultPorts where text.hasPrefix(scheme) && text.hasSuffix(port) {
      text.removeLast(port.utf8.count)
    }
    self.text = text
  }
}

extension WebOrigin: ExpressibleByStringLiteral {
  package init(stringLiteral text: String) { self.init(text) }
}
