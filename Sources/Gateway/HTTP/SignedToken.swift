import ConnectProtocol

/// A JWT taken apart, with a header that can be served, and not yet verified (RFC 7515, section 5.2,
/// steps 1 to 7).
///
/// Everybody can read in the token, without the secret, what is refused here; so the refusals say
/// it.
struct SignedToken {
  /// The only algorithm, compared verbatim (RFC 7515, section 4.1.1).
  static let algorithm = "HS256"

  /// Values of `typ`, if it is given, in lower case and without `application/` (RFC 7515, section
  /// 4.1.9): tokens of other kinds are not for connecting (RFC 8725, section 3.11). The second is
  /// an access token of RFC 9068.
  private static let types: Set<String> = ["jwt", "at+jwt"]

  /// The bytes that the signature covers.
  let signed: [UInt8]
  let signature: [UInt8]
  /// JSON, to be trusted only if the signature is right.
  let claims: [UInt8]

  init(_ token: String) throws(Refusal) {
    let text = Array(token.utf8)
    guard text.count <= GatewayLimits.tokenBytes else {
      throw Refusal(
        .unauthorized,
        "the token has \(text.count) bytes; at most \(GatewayLimits.tokenBytes) are taken")
    }
    let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 3 else {
      throw Refusal(
        .unauthorized,
        "a token has three parts with points between: header, claims and signature; this one has "
          + "\(parts.count)")
    }
    let header = try Self.decoded(parts[0], "header")
    self.claims = try Self.decoded(parts[1], "claims")
    self.signature = try Self.decoded(parts[2], "signature")
    self.signed = Array(text[..<parts[1].endIndex])
    try Self.check(try JSONMembers(header, of: "header"))
  }

  private static func decoded(
    _ part: ArraySlice<UInt8>, _ name: String
  ) throws(Refusal) -> [UInt8] {
    guard let bytes = Base64URL.decode(part) else {
      throw Refusal(.unauthorized, "the token's \(name) must be base64url, without padding")
    }
    return bytes
  }

  /// Ignores other members (`kid`, `jwk`, `jku`, `x5c` …): no token chooses its key.
  private static func check(_ header: JSONMembers) throws(Refusal) {
    // First, since without it other members may mean something else (RFC 7515, section 4.1.11).
    // No extension is known, and a list of none is invalid, so whatever it is.
    guard header["crit"] == nil else {
      throw Refusal(
        .unauthorized, "the token's header has crit, and no extension is understood here")
    }
    guard header["alg"] == .string(Self.algorithm) else {
      throw Refusal(.unauthorized, "the token's alg must be \(Self.algorithm)")
    }
    guard Self.isServed(type: header["typ"]) else {
      throw Refusal(.unauthorized, "the token's typ must be JWT or at+jwt, or be left out")
    }
    guard header["b64"] != .bool(false) else {
      throw Refusal(.unauthorized, "the token's b64 must not be false (RFC 7797, section 7)")
    }
  }

  private static func isServed(type: JSONMembers.Value?) -> Bool {
    guard let type else { return true }
    guard case .string(let text) = type else { return false }
    let prefix = "application/"
    let name = text.lowercased()
    return Self.types.contains(name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name)
  }
}

extension JSONMembers {
  /// - Parameter part: Name of the part of the token, for the refusal.
  init(_ text: [UInt8], of part: String) throws(Refusal) {
    do throws(Fault) {
      try self.init(text)
    } catch {
      switch error {
      case .noObject:
        throw Refusal(.unauthorized, "the token's \(part) must be a JSON object")
      case .duplicate:
        throw Refusal(.unauthorized, "the token's \(part) must have each name only once")
      }
    }
  }
}
