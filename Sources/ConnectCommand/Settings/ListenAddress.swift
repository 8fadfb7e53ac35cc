import Settings

/// A `host:port` to listen on.
struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
  /// 0 is a free port, which the system chooses.
  private static let ports = 0...65_535
  static let portRule = "a port from \(ports.lowerBound) to \(ports.upperBound)"

  let host: String
  let port: Int

  init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// Nil unless it is `host:port`, with an IPv6 address in brackets.
  init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"),
      let port = Int(text[text.index(after: colon)...]), Self.ports.contains(port)
    else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    // Letters of other alphabets are for the resolver to judge.
    let isName = host.allSatisfy { $0.isLetter || $0.isNumber || ".-_:%".contains($0) }
    guard !host.isEmpty, isName else { return nil }
    self.host = String(host)
    self.port = port
  }

  /// Accepts a host alone, too, but not a number alone: that would be a port without a host.
  init?(_ text: String, defaultPort: Int) {
    let isHostAlone = ListenAddress(text) == nil && Int(text) == nil
    self.init(isHostAlone ? "\(text):\(defaultPort)" : text)
  }

  var description: String {
    self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
  }
}

extension SettingValues {
  /// Nil if it was not given.
  func listen(_ setting: Setting) throws(Failure) -> ListenAddress? {
    let expected = "host:port with \(ListenAddress.portRule), such as 0.0.0.0:8080"
    return try self.value(setting, expected: expected) { ListenAddress($0) }
  }
}
