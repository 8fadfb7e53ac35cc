import ConnectTestStand
import Foundation

/// Tokens that are judged by their form and their header, which everybody can read.
extension TokenCase {
  private static let algorithm = "the token's alg must be HS256"
  private static let critical = "the token's header has crit, and no extension is understood here"
  private static let type = "the token's typ must be JWT or at+jwt, or be left out"
  private static let noObject = "the token's header must be a JSON object"
  private static let twice = "the token's header must have each name only once"
  private static let signature = "the token's signature is not one of this gateway's secret"
  private static let detached = "the token's b64 must not be false (RFC 7797, section 7)"

  private static func parts(_ count: Int) -> String {
    "a token has three parts with points between: header, claims and signature; this one has "
      + "\(count)"
  }

  private static func base64URL(_ part: String) -> String {
    "the token's \(part) must be base64url, without padding"
  }

  static let critCases: [TokenCase] = [
    .header("RFC 7515, 4.1.11", "crit unknown", #"{"alg":"HS256","crit":["x"],"x":1}"#, critical),
    .header(
      "RFC 7515, 4.1.11", "crit of a member not there", #"{"alg":"HS256","crit":["x"]}"#, critical),
    .header("RFC 7515, 4.1.11", "crit empty", #"{"alg":"HS256","crit":[]}"#, critical),
    .header("RFC 7515, 4.1.11", "crit no array", #"{"alg":"HS256","crit":"exp"}"#, critical),
    .header("RFC 7515, 4.1.11", "crit null", #"{"alg":"HS256","crit":null}"#, critical),
    .header(
      "RFC 7515, 4.1.11", "crit of a registered name", #"{"alg":"HS256","crit":["alg"]}"#, critical),
    .header(
      "RFC 7515, 4.1.11", "crit with an escape", #"{"alg":"HS256","cr\u0069t":["x"],"x":1}"#,
      critical),
    .header("RFC 7797, 6", "crit of b64", #"{"alg":"HS256","b64":true,"crit":["b64"]}"#, critical),
    .header("RFC 7797, 7", "b64 false without crit", #"{"alg":"HS256","b64":false}"#, detached),
    .header("RFC 7797, 3", "b64 true, the default", #"{"alg":"HS256","b64":true}"#),
  ]

  static let algorithmCases: [TokenCase] = [
    .header("RFC 7515, 4.1.1", "HS256", #"{"alg":"HS256"}"#),
    .header("RFC 7515, 4.1.1", "no alg", #"{"typ":"JWT"}"#, algorithm),
    .header("RFC 7515, 4.1.1", "alg in lower case", #"{"alg":"hs256"}"#, algorithm),
    .header("RFC 7515, 4.1.1", "alg with a space", #"{"alg":"HS256 "}"#, algorithm),
    .header("RFC 7515, 4.1.1", "alg empty", #"{"alg":""}"#, algorithm),
    .header("RFC 7515, 4.1.1", "alg null", #"{"alg":null}"#, algorithm),
    .header("RFC 7515, 4.1.1", "alg an array", #"{"alg":["HS256"]}"#, algorithm),
    .header("RFC 7515, 4.1.1", "ALG", #"{"ALG":"HS256"}"#, algorithm),
    .text(
      "RFC 8725, 3.2", "alg none, without a signature",
      TestTokens.make(header: #"{"alg":"none"}"#, payload: claims, signature: .none), algorithm),
    .header("RFC 8725, 3.2", "alg none, signed", #"{"alg":"none"}"#, algorithm),
    .header("RFC 8725, 2.1", "alg nOnE", #"{"alg":"nOnE"}"#, algorithm),
    .header("RFC 8725, 2.1", "alg RS256, signed with the secret", #"{"alg":"RS256"}"#, algorithm),
    .header("RFC 8725, 2.1", "alg ES256, signed with the secret", #"{"alg":"ES256"}"#, algorithm),
    .header("RFC 8725, 3.1", "alg HS512 that is HS256", #"{"alg":"HS512"}"#, algorithm),
    .text(
      "RFC 8725, 3.1", "alg HS512, with the secret",
      TestTokens.make(header: #"{"alg":"HS512"}"#, payload: claims, signature: .hs512), algorithm),
    .text(
      "RFC 8725, 3.1", "alg HS384, with the secret",
      TestTokens.make(header: #"{"alg":"HS384"}"#, payload: claims, signature: .hs384), algorithm),
    .text(
      "RFC 8725, 3.1", "alg HS256 that is HS512",
      TestTokens.make(header: header, payload: claims, signature: .hs512), signature),
  ]

  static let headerCases: [TokenCase] = [
    .header("RFC 8725, 3.11", "typ of an access token", #"{"alg":"HS256","typ":"at+jwt"}"#),
    .header("RFC 7519, 5.1", "typ in lower case", #"{"alg":"HS256","typ":"jwt"}"#),
    .header("RFC 7515, 4.1.9", "typ in full", #"{"alg":"HS256","typ":"application/JWT"}"#),
    .header("RFC 8725, 3.11", "typ of a logout", #"{"alg":"HS256","typ":"logout+jwt"}"#, type),
    .header("RFC 8725, 3.11", "typ of a proof", #"{"alg":"HS256","typ":"dpop+jwt"}"#, type),
    .header("RFC 7515, 4.1.9", "typ JOSE", #"{"alg":"HS256","typ":"JOSE"}"#, type),
    .header("RFC 7515, 4.1.9", "typ empty", #"{"alg":"HS256","typ":""}"#, type),
    .header("RFC 7515, 4.1.9", "typ no string", #"{"alg":"HS256","typ":null}"#, type),
    .header("RFC 7515, 4", "names unknown", #"{"alg":"HS256","x":1e999,"y":{"z":[]}}"#),
    .header(
      "RFC 7515, 4", "numbers that fit no integer", #"{"alg":"HS256","x":1e300,"kid":-1e300}"#),
    .header("RFC 7515, 4", "zip, which a JWS has not", #"{"alg":"HS256","zip":"DEF"}"#),
    .text(
      "RFC 8725, 3.6", "claims compressed",
      TestTokens.signed(
        "\(TestTokens.encoded(#"{"alg":"HS256","zip":"DEF"}"#.utf8))."
          + TestTokens.encoded([0xab, 0x56, 0x2a, 0x2e, 0x4d, 0x52, 0xb2, 0x52])),
      "the token's claims must be a JSON object"),
    .header("RFC 8725, 3.10", "kid of no key here", #"{"alg":"HS256","kid":"../../etc/passwd"}"#),
    .header("RFC 8725, 3.10", "kid no string", #"{"alg":"HS256","kid":7}"#),
    .text(
      "RFC 8725, 3.10", "jwk, with which it is signed",
      TestTokens.make(
        header:
          #"{"alg":"HS256","jwk":{"kty":"oct","k":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}}"#,
        payload: claims, secret: Array(repeating: 7, count: 32)), signature),
    .header("RFC 8725, 3.10", "jku", #"{"alg":"HS256","jku":"http://127.0.0.1:1/keys"}"#),
    .header("RFC 7515, 4", "alg twice", #"{"alg":"none","alg":"HS256"}"#, twice),
    .header("RFC 7515, 4", "alg twice, escaped", #"{"alg":"HS256","\u0061lg":"none"}"#, twice),
    .header("RFC 7515, 4", "alg twice, alike", #"{"alg":"HS256","alg":"HS256"}"#, twice),
    .header("RFC 7515, 5.2", "no object", #"["HS256"]"#, noObject),
    .header("RFC 7515, 5.2", "more than an object", #"{"alg":"HS256"}{}"#, noObject),
    .header("RFC 7515, 5.2", "nothing", "", noObject),
    .header("RFC 7515, 5.2", "a comma too many", #"{"alg":"HS256",}"#, noObject),
    .header("RFC 7515, 5.2", "a byte order mark", "\u{feff}\(header)", noObject),
    .header("RFC 8725, 3.7", "space around it", "  \(header)\r\n"),
    .text(
      "RFC 8725, 3.7", "not UTF-8",
      TestTokens.signed(
        TestTokens.encoded(Array(#"{"alg":"HS256","x":""#.utf8) + [0xff] + Array(#""}"#.utf8))
          + "." + TestTokens.encoded(claims.utf8)), noObject),
    .header(
      "RFC 8725, 3.7", "UTF-16",
      String(decoding: header.utf16.flatMap { [UInt8(0), UInt8($0)] }, as: UTF8.self), noObject),
    .header(
      "RFC 8259, 9", "nested deep",
      #"{"alg":"HS256","x":\#(String(repeating: "[", count: 2_000))}"#, noObject),
  ]

  static let formCases: [TokenCase] = {
    let valid = TestTokens.make(header: header, payload: claims)
    let parts = valid.split(separator: ".").map(String.init)
    let signed = "\(parts[0]).\(parts[1])"
    func with(header: String) -> String { TestTokens.signed("\(header).\(parts[1])") }
    func with(claims: String) -> String { TestTokens.signed("\(parts[0]).\(claims)") }
    // 27 bytes are 36 digits; with a space they are 38, of which the last has four bits too many.
    let spare = TestTokens.encoded("\(header) ".utf8)
    let last = TestTokens.encoded([UInt8("\(header) ".utf8.last!)]).last!
    precondition(spare.last == last && last == "A")
    // 36 digits, 43 of the signature and two points leave 8,111 digits: 6,083 bytes.
    func with(claimBytes: Int) -> String {
      let start = claims.dropLast() + #","x":""#
      let filling = String(repeating: "x", count: claimBytes - start.utf8.count - 2)
      return TestTokens.make(header: header, payload: #"\#(start)\#(filling)"}"#)
    }
    return [
      .text("RFC 7515, 7.1", "well formed", valid),
      .text("RFC 7515, 7.1", "empty", "", Self.parts(1)),
      .text("RFC 7515, 7.1", "one part", "abc", Self.parts(1)),
      .text("RFC 7515, 7.1", "no signature", signed, Self.parts(2)),
      .text("RFC 7515, 7.1", "a fourth part", "\(valid).e30", Self.parts(4)),
      .text("RFC 7516, 9", "encrypted", "\(valid).e30.e30", Self.parts(5)),
      .text("RFC 7515, 7.2", "as JSON", #"{"payload":"\#(parts[1])"}"#, Self.parts(1)),
      .text("RFC 7515, 5.2", "an empty signature", "\(signed).", signature),
      .text("RFC 7515, 5.2", "half of a signature", "\(signed).\(parts[2].prefix(20))", signature),
      .text("RFC 7515, 5.2", "more than a signature", "\(valid)AAAA", signature),
      .text("RFC 7515, 5.2", "another's claims", "\(parts[0]).e30.\(parts[2])", signature),
      .text(
        "RFC 7515, 5.2", "signed with another secret",
        TestTokens.make(
          header: header, payload: "no claims", secret: Array(repeating: 7, count: 40)),
        signature),
      .text(
        "RFC 7515, 2", "a header with padding", with(header: "\(spare)=="), base64URL("header")),
      .text(
        "RFC 7515, 2", "claims with padding", with(claims: "\(parts[1])=="), base64URL("claims")),
      .text("RFC 7515, 2", "a signature with padding", "\(valid)=", base64URL("signature")),
      .text("RFC 7515, 2", "a line end after it", "\(valid)\n", base64URL("signature")),
      .text(
        "RFC 7515, 2", "a space in the claims", with(claims: "\(parts[1]) "), base64URL("claims")),
      .text("RFC 7515, 2", "a space before it", " \(valid)", base64URL("header")),
      .text("RFC 7515, 2", "another script", with(header: "\(parts[0])é"), base64URL("header")),
      .text("RFC 4648, 5", "a plus", with(claims: "\(parts[1])+"), base64URL("claims")),
      .text("RFC 4648, 5", "a slash", with(claims: "\(parts[1])/"), base64URL("claims")),
      .text("RFC 4648, 3.5", "a digit too few", with(header: "\(parts[0])e"), base64URL("header")),
      .text("RFC 4648, 3.5", "spare bits zero", with(header: spare)),
      .text(
        "RFC 4648, 3.5", "spare bits not zero", with(header: spare.dropLast() + "B"),
        base64URL("header")),
      .text(
        "RFC 4648, 3.5", "spare bits of the signature", Self.withSpareBits(valid),
        base64URL("signature")),
      .text("the limit of tokens", "8,192 bytes", with(claimBytes: 6_083)),
      .text(
        "the limit of tokens", "a byte more", with(claimBytes: 6_084),
        "the token has 8193 bytes; at most 8192 are taken"),
    ]
  }()

  /// The same bytes as `token` has, with another last digit: the two bits below them are not zero.
  private static func withSpareBits(_ token: String) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    let index = digits.firstIndex(of: token.last!)!
    precondition(index & 3 == 0)
    return token.dropLast() + String(digits[index + 1])
  }
}
