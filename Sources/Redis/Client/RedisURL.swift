/// Where a Redis is and who we are to it: `redis://[user[:password]@]host[:port][/database]`.
public struct RedisURL: Sendable, Hashable {
  /// Host name or address, without the brackets of an IPv6 address.
  public let host: String
  /// TCP port.
  public let port: Int
  /// ACL user; nil for the default user.
  public let user: String?
  /// Never logged: ``description`` leaves it out.
  public let password: String?
  /// The database to SELECT; 0 needs none, and is the only one that a cluster has.
  public let database: Int

  /// Takes the parts as they are.
  public init(
    host: String, port: Int = RedisLimits.defaultPort, user: String? = nil,
    password: String? = nil, database: Int = 0
  ) {
    self.host = host
    self.port = port
    self.user = user
    self.password = password
    self.database = database
  }

  /// Why a URL was refused, and what it should look like.
  public struct Malformed: Error, CustomStringConvertible {
    /// A sentence for the operator. It never contains the password.
    public let description: String
    init(_ reason: String) {
      self.description = "\(reason); expected redis://[user[:password]@]host[:port][/database]"
    }
  }

  /// Parses a URL. User and password may be percent-encoded.
  public init(parsing text: String) throws(Malformed) {
    if text.hasPrefix("rediss://") {
      throw Malformed("rediss:// (TLS) is reserved and not served by this release")
    }
    guard text.hasPrefix("redis://") else { throw Malformed("the URL must begin with redis://") }
    var rest = text.dropFirst("redis://".count)

    var user: String?
    var password: String?
    if let at = rest.lastIndex(of: "@") {
      let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      let decoded = parts.map(Self.percentDecoded)
      guard let first = decoded[0], let last = decoded[decoded.count - 1] else {
        throw Malformed("user or password has a broken percent escape")
      }
      user = first.isEmpty ? nil : first
      password = parts.count == 2 ? last : nil
      rest = rest[rest.index(after: at)...]
    }

    var database = 0
    if let slash = rest.firstIndex(of: "/") {
      let digits = rest[rest.index(after: slash)...]
      if !digits.isEmpty {
        guard let number = Int(digits), number >= 0 else {
          throw Malformed("the database must be a number, not '\(digits)'")
        }
        database = number
      }
      rest = rest[..<slash]
    }

    let (host, port) = try Self.hostAndPort(rest)
    self.init(host: host, port: port, user: user, password: password, database: database)
  }

  private static func hostAndPort(_ text: Substring) throws(Malformed) -> (String, Int) {
    var host = text
    var digits: Substring?
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else {
        throw Malformed("an IPv6 address needs a closing bracket")
      }
      host = text[text.index(after: text.startIndex)..<end]
      let after = text[text.index(after: end)...]
      guard after.isEmpty || after.hasPrefix(":") else {
        throw Malformed("unexpected '\(after)' after the address")
      }
      digits = after.isEmpty ? nil : after.dropFirst()
    } else if let colon = text.lastIndex(of: ":") {
      host = text[..<colon]
      digits = text[text.index(after: colon)...]
    }
    guard !host.isEmpty else { throw Malformed("the host is missing") }
    guard let digits else { return (String(host), RedisLimits.defaultPort) }
    guard let port = Int(digits), (1...65_535).contains(port) else {
      throw Malformed("the port must be 1 to 65535, not '\(digits)'")
    }
    return (String(host), port)
  }

  private static func percentDecoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2, let value = UInt8(String(rest.prefix(2))!, radix: 16) else {
        return nil
      }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}

extension RedisURL: CustomStringConvertible {
  /// The URL without the password, for logs.
  public var description: String {
    let login = self.user.map { "\($0)@" } ?? ""
    let address = self.host.contains(":") ? "[\(self.host)]" : self.host
    return "redis://\(login)\(address):\(self.port)/\(self.database)"
  }
}
