import ConnectProtocol
import Foundation
import JWTKit

/// Checks tokens, and makes them for development.
///
/// Only HS256 with the configured secret is taken: the collection holds no other key, so that no
/// token can choose its algorithm.
public struct Authenticator: Sendable {
  /// The shortest secret, in bytes: RFC 7518, section 3.2, wants a key as long as the hash.
  public static let minimumSecretBytes = 32

  private static let algorithm = "HS256"

  /// Who a token speaks for.
  struct Identity: Sendable, Hashable {
    let user: UserName
    /// When the token ends, in seconds since 1970.
    let expires: Double
  }

  private let keys: JWTKeyCollection

  /// - Parameter secret: at least ``minimumSecretBytes`` bytes.
  public init(secret: [UInt8]) async {
    precondition(secret.count >= Self.minimumSecretBytes)
    self.keys = JWTKeyCollection()
    await self.keys.add(
      hmac: HMACKey(from: Data(secret)), digestAlgorithm: .sha256)
  }

  func identity(of token: String) async throws(Refusal) -> Identity {
    let payload: AccessToken
    let header: JWTHeader
    do {
      payload = try await self.keys.verify(token, as: AccessToken.self)
      header = try DefaultJWTParser().parse(Array(token.utf8), as: AccessToken.self).header
    } catch let error as JWTError where error.errorType == .claimVerificationFailure {
      throw Refusal(.unauthorized, "the token has expired or is not yet valid")
    } catch {
      throw Refusal(.unauthorized, "the token is not valid")
    }
    // JWTKit checks with the key it has, whatever the header says; RFC 8725, section 3.1, wants both.
    guard header.alg == Self.algorithm else {
      throw Refusal(.unauthorized, "the token is not valid")
    }
    guard let user = UserName(payload.sub.value) else {
      throw Refusal(.unauthorized, "the token's sub must be \(UserName.alphabet)")
    }
    return Identity(user: user, expires: payload.exp.value.timeIntervalSince1970)
  }

  /// A token for development.
  ///
  /// - Parameter seconds: how long it is valid.
  public func token(for user: UserName, seconds: Double) async throws -> String {
    let now = Date()
    return try await self.keys.sign(
      AccessToken(
        sub: SubjectClaim(value: user.text),
        exp: ExpirationClaim(value: now.addingTimeInterval(seconds)),
        iat: IssuedAtClaim(value: now)))
  }
}

/// What a token says.
private struct AccessToken: JWTPayload {
  var sub: SubjectClaim
  var exp: ExpirationClaim
  var nbf: NotBeforeClaim?
  var iat: IssuedAtClaim?

  func verify(using algorithm: some JWTAlgorithm) throws {
    try self.exp.verifyNotExpired()
    try self.nbf?.verifyNotBefore()
  }
}
