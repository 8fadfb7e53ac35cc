package struct RedisAddress: Sendable, Hashable, CustomStringConvertible {
  static let ports = 1...65_535

  /// Host name or address, without the brackets of an IPv6 address.
  package let host: String
  package let port: Int

  /// Does not check the parts.
  package init(host: String, port: Int = RedisLimits.defaultPort) {
    self.host = host
    self.port = port
  }

  /// Whether a name that a cluster told may be that of a host: nothing but visible characters of
  /// ASCII. It is shown in logs, and given to the resolver.
  static func isHost(_ name: some StringProtocol) -> Bool {
    (1...RedisLimits.maximumHostBytes).contains(name.utf8.count)
      && name.utf8.allSatisfy { (0x21...0x7e).contains($0) }
  }

  /// `host:port`, with an IPv6 address in brackets.
  package var description: String {
    self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
  }
}
