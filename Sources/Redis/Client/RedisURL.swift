/// Where a Redis is and who we are to it:
/// `redis[s]://[user[:password]@]host[:port][,host[:port]…][/database]`.
package struct RedisURL: Sendable, Hashable {
  /// Form of a URL, for error messages.
  package static let form =
    "redis[s]://[user[:password]@]host[:port][,host[:port]...][/database]"

  /// At least one. Several are nodes of one cluster, any of which knows the others.
  package let addresses: [RedisAddress]
  /// Encrypts connections: `rediss://`.
  package let isTLS: Bool
  /// ACL user; nil for the default user.
  package var user: String?
  /// Never logged: ``description`` leaves it out.
  package var password: String?
  /// The database to SELECT; 0 needs no SELECT, and is the only one that a cluster has.
  package let database: Int

  /// Does not check the parts.
  package init(
    addresses: [RedisAddress], isTLS: Bool = false, user: String? = nil, password: String? = nil,
    database: Int = 0
  ) {
    precondition(!addresses.isEmpty, "a URL names at least one server")
    self.addresses = addresses
    self.isTLS = isTLS
    self.user = user
    self.password = password
    self.database = database
  }

  package init(
    host: String, port: Int = RedisLimits.defaultPort, user: String? = nil,
    password: String? = nil, database: Int = 0
  ) {
    self.init(
      addresses: [RedisAddress(host: host, port: port)], user: user, password: password,
      database: database)
  }

  /// Why a URL was refused, and what it should look like.
  package struct Malformed: Error, CustomStringConvertible {
    /// A sentence for the operator. It never contains the password.
    package let description: String
    init(_ reason: String) { self.description = "\(reason); expected \(RedisURL.form)" }
  }

  /// Parses a URL. User and password may be percent-encoded.
  package init(parsing text: String) throws(Malformed) {
    // Schemes are the same in upper and lower case (RFC 3986, section 3.1).
    let schemes = [("redis://", false), ("rediss://", true)]
    guard
      let (scheme, isTLS) = schemes.first(where: { text.prefix($0.0.count).lowercased() == $0.0 })
    else {
      throw Malformed("the URL must begin with redis:// or rediss://")
    }
    var rest = text.dropFirst(scheme.count)

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
        guard let number = Self.number(digits) else {
          throw Malformed("the database must be a number")
        }
        database = number
      }
      rest = rest[..<slash]
    }

    var addresses: [RedisAddress] = []
    for part in rest.split(separator: ",", omittingEmptySubsequences: false) {
      addresses.append(try Self.address(part))
    }
    self.init(
      addresses: addresses, isTLS: isTLS, user: user, password: password, database: database)
  }

  /// Refusals quote nothing: where parts are missing, what stands in the port's place can be the
  /// password.
  private static func address(_ text: Substring) throws(Malformed) -> RedisAddress {
    var host = text
    var digits: Substring?
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else {
        throw Malformed("an IPv6 address needs a closing bracket")
      }
      host = text[text.index(after: text.startIndex)..<end]
      let after = text[text.index(after: end)...]
      guard after.isEmpty || after.hasPrefix(":") else {
        throw Malformed("after the address only a port may follow")
      }
      digits = after.isEmpty ? nil : after.dropFirst()
    } else if let colon = text.lastIndex(of: ":") {
      host = text[..<colon]
      digits = text[text.index(after: colon)...]
    }
    guard !host.isEmpty else { throw Malformed("the host is missing") }
    guard text.hasPrefix("[") || !host.contains(":") else {
      throw Malformed("an IPv6 address needs brackets")
    }
    guard let digits else { return RedisAddress(host: String(host)) }
    guard let port = Self.number(digits), RedisAddress.ports.contains(port) else {
      throw Malformed("the port must be a number from 1 to 65535")
    }
    return RedisAddress(host: String(host), port: port)
  }

  /// A number of digits only: `Int` also accepts a sign.
  private static func number(_ digits: Substring) -> Int? {
    digits.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      ? Int(digits) : nil
  }

  private static func percentDecoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.popFirst().flatMap(Self.hexadecimal),
        let low = rest.popFirst().flatMap(Self.hexadecimal)
      else { return nil }
      bytes.append(high << 4 | low)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  private static func hexadecimal(_ digit: UInt8) -> UInt8? {
    Character(UnicodeScalar(digit)).hexDigitValue.map { UInt8($0) }
  }
}

extension RedisURL: CustomStringConvertible {
  /// The URL without the password, for logs.
  package var description: String {
    let login = self.user.map { "\($0)@" } ?? ""
    let addresses = self.addresses.map { "\($0)" }.joined(separator: ",")
    return "redis\(self.isTLS ? "s" : "")://\(login)\(addresses)/\(self.database)"
  }
}

extension RedisURL: CustomReflectable {
  /// Leaves the password out of `dump`.
  package var customMirror: Mirror {
    Mirror(
      self,
      children: [
        "addresses": self.addresses, "isTLS": self.isTLS, "user": self.user as Any,
        "database": self.database,
      ])
  }
}
