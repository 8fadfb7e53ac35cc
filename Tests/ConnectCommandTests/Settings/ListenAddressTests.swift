import Testing

@testable import ConnectCommand

/// Where a service listens, as it is written in a setting.
@Suite("Addresses to listen on")
struct ListenAddressTests {
  @Test(
    "a host alone takes the service's own port",
    arguments: [
      ("0.0.0.0", "0.0.0.0:9091"), ("[::]", "[::]:9091"), ("localhost", "localhost:9091"),
      ("0.0.0.0:80", "0.0.0.0:80"), ("[::1]:80", "[::1]:80"),
    ])
  func hostAlone(text: String, address: String) {
    #expect(ListenAddress(text, defaultPort: 9_091)?.description == address)
  }

  @Test(
    "what is neither a host nor a host and a port is refused",
    arguments: [
      "", "9091", "::", "::1", "localhost:", ":80", "localhost:65536", "localhost:http",
      "two words", "http://localhost:80",
    ])
  func refused(text: String) {
    #expect(ListenAddress(text, defaultPort: 9_091) == nil)
  }
}
