import ConnectProtocol

/// Where a gateway, or the load balancer before it, listens.
public struct ConnectEndpoint: Hashable, Sendable {
  /// The path that gateways serve.
  public static let defaultPath = "/v1/connect"

  /// A name or an address, without brackets.
  public var host: String
  /// The TCP port.
  public var port: Int
  /// Whether TLS comes first; see ``ConnectClientConfiguration/transportSecurity``.
  public var isSecure: Bool
  /// The path of the request, without a query.
  public var path: String

  /// An endpoint with everything chosen.
  public init(host: String, port: Int, isSecure: Bool = false, path: String = defaultPath) {
    self.host = host
    self.port = port
    self.isSecure = isSecure
    self.path = path
  }

  /// The `Host` header: the port only where it is not the scheme's own, and without the zone of an address, which
  /// is of no use to others (RFC 6874).
  package var authority: String { self.authority(of: String(self.host.prefix { $0 != "%" })) }

  private func authority(of name: String) -> String {
    let host = name.contains(":") ? "[\(name)]" : name
    return self.port == (self.isSecure ? 443 : 80) ? host : "\(host):\(self.port)"
  }
}

extension ConnectEndpoint: LosslessStringConvertible {
  /// Reads `ws://host[:port][/path]` or `wss://…`; without a path, ``defaultPath`` is meant.
  public init?(_ url: String) {
    // Schemes are the same in upper and lower case (RFC 3986, section 3.1).
    let schemes = [("ws://", false), ("wss://", true)]
    guard
      let (scheme, isSecure) = schemes.first(where: { url.prefix($0.0.count).lowercased() == $0.0 })
    else { return nil }
    let rest = url.dropFirst(scheme.count)
    guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
      !rest.contains(where: { "?#@".contains($0) })
    else { return nil }

    let authority = rest.prefix { $0 != "/" }
    let path = rest.dropFirst(authority.count)
    var host = authority
    var port = isSecure ? 443 : 80
    let afterBracket = authority.lastIndex(of: "]").map(authority.index(after:))
    if let colon = authority[(afterBracket ?? authority.startIndex)...].firstIndex(of: ":") {
      let digits = authority[authority.index(after: colon)...]
      guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt16(digits),
        number > 0
      else { return nil }
      port = Int(number)
      host = authority[..<colon]
    }
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard !host.isEmpty, !host.contains(where: { "[]".contains($0) }) else { return nil }
    self.init(
      host: String(host), port: port, isSecure: isSecure,
      path: path.isEmpty || path == "/" ? Self.defaultPath : String(path))
  }

  /// The URL.
  public var description: String {
    "\(self.isSecure ? "wss" : "ws")://\(self.authority(of: self.host))\(self.path)"
  }
}
