import Gateway
import Testing

@Suite("An origin")
struct WebOriginTests {
  @Test(
    "is the same in other letters, and with the port that its scheme has by itself",
    arguments: [
      ("https://chat.example", "HTTPS://Chat.Example"),
      ("https://chat.example", "https://chat.example:443"),
      ("http://chat.example:80", "http://chat.example"), ("null", "NULL"),
    ])
  func same(_ left: String, _ right: String) {
    #expect(WebOrigin(left) == WebOrigin(right))
  }

  @Test(
    "is another with another scheme, host or port",
    arguments: [
      "http://chat.example", "https://chat.example:80", "https://chat.example:8443",
      "https://chat.example.", "https://www.chat.example", "https://chat.example/", "", "null",
      "https://chat.example https://evil.example", "chat.example",
    ])
  func other(_ text: String) {
    #expect(WebOrigin("https://chat.example") != WebOrigin(text))
  }
}
