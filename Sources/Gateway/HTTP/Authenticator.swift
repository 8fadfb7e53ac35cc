import ConnectProtocol
import Foundation
import JWTKit

/// Checks tokens, and makes them for development.
///
/// Only HS256 with a configured secret is taken: a collection holds one key and no other, so that no
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
  private let previousKeys: JWTKeyCollection?

  /// - Parameters:
  ///   - secret: at least ``minimumSecretBytes`` bytes.
  ///   - previous: the secret before it, as long: tokens that it has signed are taken until they
  ///     expire.
  public init(secret: [UInt8], previous: [UInt8]? = nil) async {
    self.keys = await Self.collection(secret)
    self.previousKeys = if let previous { await Self.collection(previous) } else { nil }
  }

  private static func collection(_ secret: [UInt8]) async -> JWTKeyCollection {
    precondition(secret.count >= Self.minimumSecretBytes)
    let keys = JWTKeyCollection()
    await keys.add(hmac: HMACKey(from: Data(secret)), digestAlgorithm: .sha256)
    return keys
  }

  func identity(of token: String) async throws(Refusal) -> Identity {
    let payload: AccessToken
    let header: JWTHeader
    do {
      payload = try await self.payload(of: token)
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

  private func payload(of token: String) async throws -> AccessToken {
    do {
      return try await self.keys.verify(token, as: AccessToken.self)
    } catch let error as JWTError where error.errorType == .signatureVerificationFailed {
      guard let previous = self.previousKeys else { throw error }
      return try await previous.verify(token, as: AccessToken.self)
    }
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
