import ConnectProtocol
import Foundation
import JWTKit

/// Checks tokens, and makes them for development.
///
/// Only HS256 with a configured secret is taken: no token can choose its algorithm or its key. JWTKit
/// signs and verifies; it does not look at the header beyond that, and reads base64url and JSON less
/// strictly than RFC 7515 and RFC 8725 want. ``SignedToken`` and ``TokenClaims`` do that.
package struct Authenticator: Sendable {
  /// The shortest secret, in bytes: RFC 7518, section 3.2, wants a key as long as the hash.
  package static let minimumSecretBytes = 32

  /// The user and device that a token is for.
  struct Identity: Sendable, Hashable {
    let user: UserName
    /// Expiry of the token, in seconds since 1970.
    let expires: Double
  }

  private let keys: JWTKeyCollection
  /// The current secret, then the previous one.
  private let algorithms: [any JWTAlgorithm]

  /// - Parameters:
  ///   - secret: at least ``minimumSecretBytes`` bytes.
  ///   - previous: the secret before it, as long: tokens that it has signed are taken until they
  ///     expire.
  package init(secret: [UInt8], previous: [UInt8]? = nil) async {
    self.keys = await Self.collection(secret)
    var algorithms: [any JWTAlgorithm] = []
    for secret in [secret, previous].compactMap(\.self) {
      guard let algorithm = try? await Self.collection(secret).getKey() else {
        preconditionFailure("a collection without the key that it was made of")
      }
      algorithms.append(algorithm)
    }
    self.algorithms = algorithms
  }

  private static func collection(_ secret: [UInt8]) async -> JWTKeyCollection {
    precondition(secret.count >= Self.minimumSecretBytes)
    let keys = JWTKeyCollection()
    await keys.add(hmac: HMACKey(from: Data(secret)), digestAlgorithm: .sha256)
    return keys
  }

  /// The user that a token speaks for. A refusal says what is wrong: before the signature is
  /// verified only what needs no secret to be read, and of a wrong signature nothing more.
  ///
  /// - Parameter now: the time, in seconds since 1970.
  func identity(
    of token: String, now: Double = Date().timeIntervalSince1970
  ) throws(Refusal) -> Identity {
    let token = try SignedToken(token)
    guard self.algorithms.contains(where: { Self.verifies($0, token) }) else {
      throw Refusal(.unauthorized, "the token's signature is not one of this gateway's secret")
    }
    return try TokenClaims.identity(in: try JSONMembers(token.claims, of: "claims"), now: now)
  }

  private static func verifies(_ algorithm: any JWTAlgorithm, _ token: SignedToken) -> Bool {
    (try? algorithm.verify(token.signature, signs: token.signed)) ?? false
  }

  /// A token for development.
  ///
  /// - Parameter seconds: how long it is valid.
  package func token(for user: UserName, seconds: Double) async throws -> String {
    let now = Date()
    return try await self.keys.sign(
      NewToken(
        sub: SubjectClaim(value: user.text),
        exp: ExpirationClaim(value: now.addingTimeInterval(seconds)),
        iat: IssuedAtClaim(value: now)))
  }
}

/// Claims of a token made here.
private struct NewToken: JWTPayload {
  var sub: SubjectClaim
  var exp: ExpirationClaim
  var iat: IssuedAtClaim

  /// JWTKit requires it for reading, which is not done here.
  func verify(using algorithm: some JWTAlgorithm) {}
}
