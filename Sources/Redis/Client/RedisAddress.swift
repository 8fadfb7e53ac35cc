/// Where one server listens.
public struct RedisAddress: Sendable, Hashable, CustomStringConvertible {
  /// Those that a server can have.
  static let ports = 1...65_535

  /// Host name or address, without the brackets of an IPv6 address.
  public let host: String
  /// TCP port.
  public let port: Int

  /// Takes the parts as they are.
  public init(host: String, port: Int = RedisLimits.defaultPort) {
    self.host = host
    self.port = port
  }

  /// `host:port`, with an IPv6 address in brackets.
  public var description: String {
    self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
  }
}
