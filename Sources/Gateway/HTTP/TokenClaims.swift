import ConnectProtocol

/// The claims of a token (RFC 7519, section 4.1), looked at once its signature is verified: nobody
/// else is told what is wrong with them.
///
/// There is no leeway for clocks that differ. Other claims are ignored, `iss` and `aud` among them:
/// the secret alone says who may make tokens, and for whom.
enum TokenClaims {
  /// Throws unless the token is valid at `now`, in seconds since 1970.
  static func identity(
    in claims: JSONMembers, now: Double
  ) throws(Refusal) -> Authenticator.Identity {
    guard let expires = try Self.seconds("exp", in: claims) else {
      throw Refusal(.unauthorized, "the token has no exp: it must say when it ends")
    }
    let begins = try Self.seconds("nbf", in: claims)
    _ = try Self.seconds("iat", in: claims)
    guard let subject = claims["sub"] else {
      throw Refusal(.unauthorized, "the token has no sub: it must name the user")
    }
    guard case .string(let name) = subject, let user = UserName(name) else {
      throw Refusal(.unauthorized, "the token's sub must be a string of \(UserName.alphabet)")
    }
    // Last, so that a token that is wrong for good is not told to wait.
    guard now < expires else { throw Refusal(.unauthorized, "the token has expired") }
    guard begins ?? now <= now else {
      throw Refusal(.unauthorized, "the token is not valid yet: its nbf is in the future")
    }
    return Authenticator.Identity(user: user, expires: expires)
  }

  /// A time, with or without a fraction (RFC 7519, section 2).
  private static func seconds(
    _ name: String, in claims: JSONMembers
  ) throws(Refusal) -> Double? {
    guard let value = claims[name] else { return nil }
    guard case .number(let seconds) = value, abs(seconds) <= GatewayLimits.latestTokenSecond else {
      throw Refusal(
        .unauthorized,
        "the token's \(name) must be a number of seconds since 1970, up to the year 9999")
    }
    return seconds
  }
}
