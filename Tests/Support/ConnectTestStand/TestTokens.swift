import Crypto
import Foundation

/// Tokens made by hand, so that they can be wrong in every way.
package enum TestTokens {
  /// How a token is signed.
  package enum Signature: Sendable {
    case hs256
    case hs384
    case hs512
    /// An empty one, as `alg: none` has it.
    case none
  }

  /// The secret of every stand.
  package static let secret = [UInt8]("a secret of the tests, long enough for HS256".utf8)

  /// A token with exactly this payload.
  ///
  /// - Parameters:
  ///   - payload: the claims as JSON.
  ///   - algorithm: what the header says, whatever the signature is.
  package static func make(
    payload: String, algorithm: String = "HS256", signature: Signature = .hs256,
    secret: [UInt8] = TestTokens.secret
  ) -> String {
    self.make(
      header: #"{"alg":"\#(algorithm)","typ":"JWT"}"#, payload: payload, signature: signature,
      secret: secret)
  }

  /// A token with exactly this header and payload.
  package static func make(
    header: String, payload: String, signature: Signature = .hs256,
    secret: [UInt8] = TestTokens.secret
  ) -> String {
    self.signed(
      "\(self.encoded(header.utf8)).\(self.encoded(payload.utf8))", signature: signature,
      secret: secret)
  }

  /// Any text, with a point and its signature.
  package static func signed(
    _ text: String, signature: Signature = .hs256, secret: [UInt8] = TestTokens.secret
  ) -> String {
    let key = SymmetricKey(data: secret)
    let data = Data(text.utf8)
    let code: Data =
      switch signature {
      case .hs256: Data(HMAC<SHA256>.authenticationCode(for: data, using: key))
      case .hs384: Data(HMAC<SHA384>.authenticationCode(for: data, using: key))
      case .hs512: Data(HMAC<SHA512>.authenticationCode(for: data, using: key))
      case .none: Data()
      }
    return "\(text).\(self.encoded(code))"
  }

  package static func valid(for user: String, seconds: Double = 3_600) -> String {
    self.make(payload: #"{"sub":"\#(user)","exp":\#(self.now + seconds)}"#)
  }

  /// The time of day, in seconds since 1970.
  package static var now: Double { Date().timeIntervalSince1970 }

  /// Bytes in base64url, without padding.
  package static func encoded(_ bytes: some Sequence<UInt8>) -> String {
    Data(bytes).base64EncodedString()
      .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }
}
