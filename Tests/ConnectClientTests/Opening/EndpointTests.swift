import Testing

@testable import ConnectClient

@Suite struct EndpointTests {
  @Test(arguments: [
    ("ws://localhost", "localhost", 80, false, "/v1/connect", "localhost"),
    ("ws://127.0.0.1:8080", "127.0.0.1", 8_080, false, "/v1/connect", "127.0.0.1:8080"),
    ("ws://[::1]:8080/", "::1", 8_080, false, "/v1/connect", "[::1]:8080"),
    ("ws://[fe80::1%eth0]:8080", "fe80::1%eth0", 8_080, false, "/v1/connect", "[fe80::1]:8080"),
    ("wss://chat.example.com", "chat.example.com", 443, true, "/v1/connect", "chat.example.com"),
    ("WS://LOCALHOST/X", "LOCALHOST", 80, false, "/X", "LOCALHOST"),
    ("Wss://a", "a", 443, true, "/v1/connect", "a"),
    ("wss://example.com:444/x/y", "example.com", 444, true, "/x/y", "example.com:444"),
  ])
  func urlsAreRead(
    url: String, host: String, port: Int, isSecure: Bool, path: String, authority: String
  ) throws {
    let endpoint = try #require(ConnectEndpoint(url))
    #expect(
      endpoint == ConnectEndpoint(host: host, port: port, isSecure: isSecure, path: path))
    #expect(endpoint.authority == authority)
    #expect(ConnectEndpoint(endpoint.description) == endpoint)
  }

  @Test(arguments: [
    "", "localhost:8080", "http://localhost", "ws://", "ws://:80", "ws://a:0", "ws://a:65536",
    "ws://a:", "ws://a:-1", "ws://a:8x", "ws://a b", "ws://a/b?c", "ws://u@a", "ws://a\r\nx:y",
    "ws://[::1", "ws://a/#f", "ws://[]", "ws://::1:80",
  ])
  func everythingElseIsRefused(url: String) {
    #expect(ConnectEndpoint(url) == nil)
  }
}
