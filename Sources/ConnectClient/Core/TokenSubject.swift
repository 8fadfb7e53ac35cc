#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The user whom a token names.
package enum TokenSubject {
  private struct Payload: Decodable { let sub: String }

  /// The `sub` of a JWT, unverified: only the server can verify it. Nil if it is not a JWT.
  package static func of(_ token: String) -> String? {
    let parts = token.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3 else { return nil }
    // RFC 7515 has Base64 for URLs, without padding.
    var base64 = String(
      parts[1].map { character in
        switch character {
        case "-": "+"
        case "_": "/"
        default: character
        }
      })
    base64 += String(repeating: "=", count: (4 - base64.utf8.count % 4) % 4)
    guard let data = Data(base64Encoded: base64) else { return nil }
    return try? JSONDecoder().decode(Payload.self, from: data).sub
  }
}
