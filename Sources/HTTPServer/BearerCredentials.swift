import NIOHTTP1

/// The token in the `Authorization` fields of a request (RFC 6750, section 2.1).
///
/// Fields of other schemes do not count: a browser adds the password of a site that has one (`Basic`)
/// to each request by itself.
package enum BearerCredentials: Hashable, Sendable {
  /// There is no `Bearer`.
  case none
  case token(String)
  /// A `Bearer` without a token, with spaces in it, or a second one.
  case malformed

  /// Reads fields without surrounding white space, as `stripOptionalWhitespace` leaves them.
  package init(_ headers: HTTPHeaders) {
    self = .none
    for field in headers.values(of: "authorization") {
      let parts = field.utf8.split(separator: UInt8(ascii: " "), maxSplits: 1).map { Substring($0) }
      guard let scheme = parts.first, scheme.lowercased() == "bearer" else { continue }
      // Any number of spaces is between the two (RFC 9110, section 11.4).
      let token = parts.count == 2 ? parts[1].drop { $0 == " " } : ""
      guard self == .none, !token.isEmpty, !Self.hasWhiteSpace(token) else {
        self = .malformed
        return
      }
      self = .token(String(token))
    }
  }

  /// Byte by byte as long as it is ASCII, as tokens are: characters take ten times as long.
  private static func hasWhiteSpace(_ text: Substring) -> Bool {
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: " "), UInt8(ascii: "\t")...UInt8(ascii: "\r"): return true
      case 0x80...: return text.contains(where: \.isWhitespace)
      default: break
      }
    }
    return false
  }
}
