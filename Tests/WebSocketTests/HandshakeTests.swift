import Testing

@testable import WebSocket

@Suite("The handshake")
struct HandshakeTests {
  @Test("answers the key of RFC 6455 §1.3 as it says")
  func example() {
    #expect(
      WebSocketHandshake.acceptValue(forKey: "dGhlIHNhbXBsZSBub25jZQ==")
        == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
  }

  @Test("makes keys of 16 bytes from the given randomness, and a new one each time")
  func keys() {
    var generator = SeededGenerator(state: 1)
    var same = SeededGenerator(state: 1)
    let key = WebSocketHandshake.makeKey(using: &generator)
    #expect(key.utf8.count == 24 && key.hasSuffix("=="))
    #expect(key == WebSocketHandshake.makeKey(using: &same))
    #expect(key != WebSocketHandshake.makeKey(using: &generator))
    #expect(WebSocketHandshake.makeKey() != WebSocketHandshake.makeKey())
  }

  @Test(
    "has a SHA-1 that gives the digests of RFC 3174 §7.3",
    arguments: [
      ("abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
      ),
      ("a", 1_000_000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
      (
        "0123456701234567012345670123456701234567012345670123456701234567", 10,
        "dea356a2cddd90c7a7ecedc5ebb563934f460452"
      ),
      ("", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    ])
  func sha1(text: String, count: Int, digest: String) {
    let message = Array(String(repeating: text, count: count).utf8)
    let hex = SHA1.digest(of: message).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
    #expect(hex.joined() == digest)
  }

  @Test(
    "has a Base64 that gives the encodings of RFC 4648 §10",
    arguments: [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
      ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
  func base64(text: String, encoded: String) {
    #expect(Base64.encode(Array(text.utf8)) == encoded)
  }
}
