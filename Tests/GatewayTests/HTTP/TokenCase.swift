import ConnectTestStand
import Testing

/// A token, the rule that it is about, and what must become of it.
struct TokenCase: Sendable, CustomTestStringConvertible {
  /// When it is looked at, in seconds since 1970.
  static let now: Double = 1_800_000_000
  static let header = #"{"alg":"HS256","typ":"JWT"}"#
  static let claims = #"{"sub":"eve","exp":1800000060}"#

  /// A document and a section in it.
  let rule: String
  let what: String
  let token: String
  /// The message of the refusal; nil if the token is taken.
  let refusal: String?

  var testDescription: String {
    "\(self.what): \(self.refusal == nil ? "taken" : "refused") (\(self.rule))"
  }

  /// A token with another header, well signed.
  static func header(
    _ rule: String, _ what: String, _ header: String, _ refusal: String? = nil
  ) -> Self {
    Self(
      rule: rule, what: what, token: TestTokens.make(header: header, payload: self.claims),
      refusal: refusal)
  }

  /// A token with other claims, well signed.
  static func claims(
    _ rule: String, _ what: String, _ claims: String, _ refusal: String? = nil
  ) -> Self {
    Self(
      rule: rule, what: what, token: TestTokens.make(header: self.header, payload: claims),
      refusal: refusal)
  }

  /// A token with one more claim, or with another `exp` or `sub` after that of ``claims``.
  static func claim(
    _ rule: String, _ what: String, _ claim: String, _ refusal: String? = nil
  ) -> Self {
    let isTime = claim.hasPrefix(#""exp""#)
    let isUser = claim.hasPrefix(#""sub""#)
    let others = (isUser ? [] : [#""sub":"eve""#]) + (isTime ? [] : [#""exp":1800000060"#])
    return self.claims(rule, what, "{\((others + [claim]).joined(separator: ","))}", refusal)
  }

  /// Any text.
  static func text(
    _ rule: String, _ what: String, _ token: String, _ refusal: String? = nil
  ) -> Self {
    Self(rule: rule, what: what, token: token, refusal: refusal)
  }
}
