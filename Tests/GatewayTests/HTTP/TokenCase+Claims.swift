import ConnectProtocol
import ConnectTestStand

/// Tokens that are judged by their claims, which are looked at last.
extension TokenCase {
  private static let noObject = "the token's claims must be a JSON object"
  private static let twice = "the token's claims must have each name only once"
  private static let expired = "the token has expired"
  private static let early = "the token is not valid yet: its nbf is in the future"
  private static let noEnd = "the token has no exp: it must say when it ends"
  private static let noUser = "the token has no sub: it must name the user"
  private static let user = "the token's sub must be a string of \(UserName.alphabet)"

  private static func seconds(_ name: String) -> String {
    "the token's \(name) must be a number of seconds since 1970, up to the year 9999"
  }

  static let setCases: [TokenCase] = [
    .claims("RFC 7519, 7.2", "an array", #"[{"sub":"eve"}]"#, noObject),
    .claims("RFC 7519, 7.2", "a string", #""eve""#, noObject),
    .claims("RFC 7519, 7.2", "no JSON", "eve", noObject),
    .claims("RFC 7519, 7.2", "nothing", "", noObject),
    .claims("RFC 7519, 7.2", "cut off", String(claims.dropLast()), noObject),
    .claims("RFC 7519, 5.2", "another token", TestTokens.make(payload: claims), noObject),
    .claims("RFC 7519, 4", "sub twice", #"{"sub":"eve","exp":1800000060,"sub":"bob"}"#, twice),
    .claims(
      "RFC 7519, 4", "exp twice, escaped", #"{"sub":"eve","exp":1,"\u0065xp":1800000060}"#, twice),
    .claims("RFC 7519, 4", "another twice", #"{"sub":"eve","exp":1800000060,"x":1,"x":1}"#, twice),
    .claim("RFC 7519, 4", "names twice further in", #""x":{"y":1,"y":2}"#),
    .claim("RFC 7519, 4", "claims unknown", #""x":[1e999,{"sub":"bob"}]"#),
  ]

  static let timeCases: [TokenCase] = [
    .claims("RFC 7519, 4.1.4, and the protocol", "no exp", #"{"sub":"eve"}"#, noEnd),
    .claim("RFC 7519, 4.1.4", "exp in a minute", #""exp":1800000060"#),
    .claim("RFC 7519, 4.1.4", "exp now", #""exp":1800000000"#, expired),
    .claim("RFC 7519, 4.1.4", "exp a second ago, without leeway", #""exp":1799999999"#, expired),
    .claim("RFC 7519, 2", "exp with a fraction", #""exp":1800000000.5"#),
    .claim("RFC 7519, 2", "exp with an exponent", #""exp":1.80000006E9"#),
    .claim("RFC 7519, 2", "exp negative", #""exp":-1800000060"#, expired),
    .claim("RFC 7519, 2", "exp 0", #""exp":0"#, expired),
    .claim("RFC 7519, 2", "exp at the end of 9999", #""exp":253402300799"#),
    .claim("RFC 7519, 2", "exp after it", #""exp":253402300800"#, seconds("exp")),
    .claim("RFC 7519, 2", "exp in milliseconds", #""exp":1800000060000"#, seconds("exp")),
    .claim("RFC 7519, 2", "exp huge", #""exp":1e300"#, seconds("exp")),
    .claim("RFC 7519, 2", "exp beyond all numbers", #""exp":1e999"#, seconds("exp")),
    .claim("RFC 7519, 2", "exp below all numbers", #""exp":-1e999"#, seconds("exp")),
    .claim("RFC 7519, 4.1.4", "exp a string", #""exp":"1800000060""#, seconds("exp")),
    .claim("RFC 7519, 4.1.4", "exp a date", #""exp":"2027-01-15T08:01:00Z""#, seconds("exp")),
    .claim("RFC 7519, 4.1.4", "exp null", #""exp":null"#, seconds("exp")),
    .claim("RFC 7519, 4.1.4", "exp true", #""exp":true"#, seconds("exp")),
    .claim("RFC 7519, 4.1.4", "exp an array", #""exp":[1800000060]"#, seconds("exp")),
    .claim("RFC 7519, 4.1.5", "nbf past", #""nbf":1799999999"#),
    .claim("RFC 7519, 4.1.5", "nbf now", #""nbf":1800000000"#),
    .claim("RFC 7519, 4.1.5", "nbf soon, without leeway", #""nbf":1800000000.5"#, early),
    .claim("RFC 7519, 4.1.5", "nbf in a minute", #""nbf":1800000060"#, early),
    .claim("RFC 7519, 4.1.5", "nbf negative", #""nbf":-1"#),
    .claim("RFC 7519, 4.1.5", "nbf a string", #""nbf":"1799999999""#, seconds("nbf")),
    .claim("RFC 7519, 4.1.5", "nbf null", #""nbf":null"#, seconds("nbf")),
    .claim("RFC 7519, 4.1.5", "nbf huge", #""nbf":1e300"#, seconds("nbf")),
    .claim("RFC 7519, 4.1.6", "iat past", #""iat":1799999999.25"#),
    .claim("RFC 7519, 4.1.6", "iat in the future, which says nothing", #""iat":1800000060"#),
    .claim("RFC 7519, 4.1.6", "iat a string", #""iat":"1799999999""#, seconds("iat")),
    .claim("RFC 7519, 4.1.6", "iat null", #""iat":null"#, seconds("iat")),
    .claims(
      "the protocol", "expired and wrong for good", #"{"sub":7,"exp":1}"#, user),
  ]

  static let otherCases: [TokenCase] = [
    .claims("RFC 7519, 4.1.2, and the protocol", "no sub", #"{"exp":1800000060}"#, noUser),
    .claim("RFC 7519, 4.1.2", "sub a number", #""sub":7"#, user),
    .claim("RFC 7519, 4.1.2", "sub null", #""sub":null"#, user),
    .claim("RFC 7519, 4.1.2", "sub an array", #""sub":["eve"]"#, user),
    .claim("the protocol", "sub empty", #""sub":"""#, user),
    .claim("the protocol", "sub with a space", #""sub":"e v""#, user),
    .claim("the protocol", "sub with a brace", #""sub":"e}v""#, user),
    .claim("the protocol", "sub with a zero byte", #""sub":"eve\u0000""#, user),
    .claim("the protocol", "sub of another script", #""sub":"ève""#, user),
    .claim("the protocol", "sub with an escape", #""sub":"\u0065ve""#),
    .claim("the protocol", "sub of 129", #""sub":"\#(String(repeating: "u", count: 129))""#, user),
    .claim("RFC 7519, 4.1.1", "iss", #""iss":"https://id.example""#),
    .claim("the protocol", "aud, which is not looked at", #""aud":["https://chat.example"]"#),
    .claim("RFC 7519, 4.1.7", "jti", #""jti":"1""#),
  ]
}
