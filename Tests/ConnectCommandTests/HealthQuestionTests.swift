import Testing

@testable import ConnectCommand

@Suite("What to ask a service about its health")
struct HealthQuestionTests {
  @Test(
    "is a URL of HTTP, in any case",
    arguments: [
      "http://127.0.0.1:9090/healthz", "HTTP://localhost/readyz", "http://[::1]:1/", "http://a",
      "http://a:65535",
    ])
  func url(text: String) {
    #expect(HealthQuestion(text)?.description == text)
  }

  @Test(
    "names the host as URLs do, and the port unless it is that of the scheme",
    arguments: [
      ("http://a/", "a"), ("http://a:80/", "a"), ("http://a:81/", "a:81"),
      ("http://[::1]/", "[::1]"),
      ("http://[fe80::1%25eth0]:8080/", "[fe80::1]:8080"),
    ])
  func authority(text: String, authority: String) {
    #expect(HealthQuestion(text)?.authority == authority)
  }

  @Test(
    "is nothing else",
    arguments: [
      "", "localhost:9090", "https://a/", "ftp://a", "http://", "http:///a", "http://a:0/",
      "http://a:65536/", "http://a:99999999999999999999/", "http://a:x/",
    ])
  func others(text: String) {
    #expect(HealthQuestion(text) == nil)
  }
}
