import ConnectTestStand
import Testing

@Suite("On its public port a gateway")
struct PublicPortTests {
  private func answer(
    _ method: String, _ target: String, gateway: Int = 0
  ) async throws -> HTTPAnswer {
    let stand = try await TestStand.shared()
    let socket = try await TestSocket.open(port: stand.gateways[gateway].port)
    socket.send("\(method) \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n")
    var answer = try await socket.readHead()
    answer.body = try await socket.readToEnd()
    return answer
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
  }

  @Test(
    "serves the demo page where it is on, with a policy that runs no foreign script",
    arguments: [
      ("/", "text/html"), ("/index.html", "text/html"), ("/?user=alice#x", "text/html"),
      ("/page.css", "text/css"), ("/page.js", "text/javascript"),
      ("/connect.js", "text/javascript"),
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
    ])
  func others(method: String, target: String, status: Int) async throws {
    #expect(try await self.answer(method, target).status == status)
  }

  @Test("answers what is no HTTP, and headers without end, with 400 or 431 and closes")
  func noHTTP() async throws {
    let stand = try await TestStand.shared()
    let long = String(repeating: "x", count: 20_000)
    let many = (0..<200).map { "a\($0): b\r\n" }.joined()
    for text in [
      "hello\r\n\r\n", "GET / HTTP/1.1\r\nX: \(long)\r\n\r\n", "GET / HTTP/1.1\r\n\(many)\r\n",
      "GET /\(long) HTTP/1.1\r\n\r\n",
    ] {
      let socket = try await TestSocket.open(port: stand.gateways[0].port)
      socket.send(text)
      let answer = try await socket.readHead()
      #expect([400, 413, 414, 431].contains(answer.status), "\(text.prefix(30))")
      _ = try await socket.readToEnd()
    }
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
