import Foundation

/// The user named by a token.
enum TokenSubject {
  private struct Payload: Decodable { let sub: String }

  /// The `sub` of a JWT, unverified: only the server can verify it. Nil if it is not a JWT.
  static func of(_ token: String) -> String? {
    let parts = token.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3 else { return nil }
    var base64 = parts[1].replacingOccurrences(of: "-", with: "+")
      .replacingOccurrences(of: "_", with: "/")
    base64 += String(repeating: "=", count: (4 - base64.count % 4) % 4)
    guard let data = Data(base64Encoded: base64) else { return nil }
    return try? JSONDecoder().decode(Payload.self, from: data).sub
  }
}
