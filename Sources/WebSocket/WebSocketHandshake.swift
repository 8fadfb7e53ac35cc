/// The two computed header values of the opening handshake (RFC 6455 §4.1).
package enum WebSocketHandshake {
  /// Appended by the server to the key, so that only a WebSocket server gives the right answer.
  private static let guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

  /// A fresh `Sec-WebSocket-Key`: 16 random bytes in Base64.
  package static func makeKey() -> String {
    var generator = SystemRandomNumberGenerator()
    return makeKey(using: &generator)
  }

  /// The same from the given source of randomness.
  package static func makeKey(using generator: inout some RandomNumberGenerator) -> String {
    Base64.encode((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
  }

  /// Whether a text is a `Sec-WebSocket-Key`: 16 bytes in Base64. The bits that its last digit has too
  /// many may be anything, as in the example of RFC 6455, section 4.1.
  package static func isKey(_ text: String) -> Bool {
    let digits = text.utf8.dropLast(2)
    return digits.count == 22 && text.utf8.suffix(2).elementsEqual("==".utf8)
      && digits.allSatisfy(Base64.isDigit)
  }

  /// The `Sec-WebSocket-Accept` with which a server answers `key`.
  ///
  /// A client compares it with the header it received, and fails the handshake if they differ.
  package static func acceptValue(forKey key: String) -> String {
    Base64.encode(SHA1.digest(of: (key + guid).utf8))
  }
}
