import ConnectTestStand
import Testing

@Suite("On its public port a gateway")
struct PublicPortTests {
  private func answer(
    _ method: String, _ target: String, gateway: Int = 0
  ) async throws -> HTTPAnswer {
    let stand = try await TestStand.shared()
    return try await HTTPAnswer.of(
      port: stand.gateways[gateway].port,
      to: "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n")
  }

  @Test("says that it is alive, to anybody")
  func health() async throws {
    let answer = try await self.answer("GET", "/healthz")
    #expect(answer.status == 200)
    #expect(answer.body == "alive\n")
    let head = try await self.answer("HEAD", "/healthz?x")
    #expect(head.status == 200)
    #expect(head["content-length"] == "6")
    #expect(head.body.isEmpty)
    // As a proxy would be asked: every server has to take it (RFC 9112, section 3.2.2).
    #expect(try await self.answer("GET", "http://localhost/healthz").status == 200)
  }

  @Test(
    "serves the demo page where it is on, with a policy that runs no foreign script",
    arguments: [
      ("/", "text/html"), ("http://a", "text/html"), ("/index.html", "text/html"),
      ("/?user=alice#x", "text/html"),
      ("/page.css", "text/css"), ("/page.js", "text/javascript"), ("/dom.js", "text/javascript"),
      ("/messages.js", "text/javascript"), ("/session.js", "text/javascript"),
      ("/connect/index.js", "text/javascript"), ("/connect/core/frames.js", "text/javascript"),
    ])
  func demoPage(path: String, type: String) async throws {
    let answer = try await self.answer("GET", path)
    #expect(answer.status == 200)
    #expect(answer["content-type"] == "\(type); charset=utf-8")
    #expect(answer["x-content-type-options"] == "nosniff")
    #expect(answer["referrer-policy"] == "no-referrer")
    #expect(!answer.body.isEmpty)
    let policy = try #require(answer["content-security-policy"])
    let parts = policy.split(separator: ";").map { $0.drop { $0 == " " } }
    #expect(parts.contains("default-src 'none'"))
    #expect(parts.contains("script-src 'self'"))
    #expect(parts.contains("frame-ancestors 'none'"))
    #expect(!policy.contains("unsafe"))
  }

  @Test("has no demo page where it is off", arguments: ["/", "/index.html", "/page.js"])
  func noDemoPage(path: String) async throws {
    #expect(try await self.answer("GET", path, gateway: 1).status == 404)
  }

  @Test(
    "knows nothing but its paths, and only reads",
    arguments: [
      ("GET", "/metrics", 404), ("GET", "/../etc/passwd", 404), ("GET", "//", 404),
      ("POST", "/healthz", 400), ("OPTIONS", "/", 400), ("POST", "/v1/connect", 426),
      ("GET", "http://localhost/v1/connect?a", 426), ("GET", "http://localhost/metrics", 404),
    ])
  func others(method: String, target: String, status: Int) async throws {
    #expect(try await self.answer(method, target).status == status)
  }

  @Test(
    "answers what the parser refuses in JSON, and lets the client read that",
    arguments: ParserRefusal.all)
  func parserRefusals(refusal: ParserRefusal) async throws {
    let stand = try await TestStand.shared()
    let answer = try await HTTPAnswer.of(port: stand.gateways[0].port, to: refusal.request)
    #expect(answer.status == refusal.status)
    #expect(answer.body.hasPrefix(#"{"code":"\#(refusal.code)","message":""#))
    #expect(answer["content-type"] == "application/json")
    #expect(answer["content-length"] == "\(answer.body.utf8.count)")
    #expect(answer["x-content-type-options"] == "nosniff")
    #expect(answer["connection"] == "close")
  }

  @Test("answers no parser's refusal of what comes behind the first request")
  func behind() async throws {
    let stand = try await TestStand.shared()
    let socket = try await TestSocket.open(port: stand.gateways[0].port)
    socket.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nhello\r\n\r\n")
    #expect(try await socket.readHead().status == 200)
    #expect(try await socket.readToEnd() == "alive\n")
  }

  @Test(
    "serves health to load balancers that ask with OPTIONS or HTTP/1.0, and nothing else",
    arguments: [
      ("GET /healthz HTTP/1.0", 200), ("HEAD /healthz HTTP/1.0", 200),
      ("OPTIONS /healthz HTTP/1.0", 200), ("OPTIONS /healthz HTTP/1.1", 200),
      ("POST /healthz HTTP/1.0", 400), ("GET / HTTP/1.0", 400), ("GET /page.js HTTP/1.0", 400),
      ("OPTIONS / HTTP/1.1", 400), ("GET /v1/connect HTTP/1.0", 400), ("GET / HTTP/1.1", 400),
      ("GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400), ("GET / HTTP/1.1\r\nHost: a", 200),
      ("GET / HTTP/1.1\r\nHost: a b/?", 400), ("GET / HTTP/1.1\r\nHost: [::1]:80 ", 200),
    ])
  func healthChecks(line: String, status: Int) async throws {
    let stand = try await TestStand.shared()
    let answer = try await HTTPAnswer.of(port: stand.gateways[0].port, to: "\(line)\r\n\r\n")
    #expect(answer.status == status)
    if status == 200, line.contains("/healthz") {
      #expect(answer.body == (line.hasPrefix("HEAD") ? "" : "alive\n"))
    }
    #expect(answer["x-content-type-options"] == "nosniff")
  }

  @Test("answers one request of a connection, and closes it")
  func oneRequest() async throws {
    let stand = try await TestStand.shared()
    let socket = try await TestSocket.open(port: stand.gateways[0].port)
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    socket.send(request + request)
    let answer = try await socket.readHead()
    #expect(answer["connection"] == "close")
    #expect(try await socket.readToEnd() == "alive\n")
  }
}
