import SeededRandom
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
    var generator = SplitMix64(seed: 1)
    var same = SplitMix64(seed: 1)
    let key = WebSocketHandshake.makeKey(using: &generator)
    #expect(key.utf8.count == 24 && key.hasSuffix("=="))
    #expect(key == WebSocketHandshake.makeKey(using: &same))
    #expect(key != WebSocketHandshake.makeKey(using: &generator))
    #expect(WebSocketHandshake.makeKey() != WebSocketHandshake.makeKey())
  }

  @Test("knows a key by its 16 bytes, whatever the bits are that are too many")
  func keyForm() {
    for key in ["dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC==", "+/+/+/+/+/+/+/+/+/+/+w=="]
    {
      #expect(WebSocketHandshake.isKey(key))
    }
    for key in [
      "", "==", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ= ",
      "dGhlIHNhbXBsZSBub25jZTE=",
      "dGhlIHNhbXBsZSBub25jZQ==\n", "dGhlIHNhbXBsZSBub25-ZQ==", "dGhlIHNhbXBsZSBub25jZTEyMzQ=",
      "dGhlIHNhbXBsZSBub2 jZQ==", "dGhlIHNhbXBsZSBub2=jZQ==",
    ] {
      #expect(!WebSocketHandshake.isKey(key), "\(key)")
    }
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
