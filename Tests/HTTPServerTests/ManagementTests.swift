import ConnectTestStand
import HTTPServer
import Logging
import NIOCore
import NIOPosix
import Testing

@Suite("The management port")
struct ManagementTests {
  /// The answer to what one connection says.
  private func answer(to text: String, isReady: Bool = true) async throws -> HTTPAnswer {
    let group = MultiThreadedEventLoopGroup.singleton
    let service = try await ManagementService(
      host: "127.0.0.1", port: 0, group: group,
      metrics: { .text(.ok, "# EOF") }, isReady: { isReady },
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let task = Task { try await service.run() }
    defer { task.cancel() }
    let socket = try await TestSocket.open(port: #require(service.address?.port))
    socket.send(text)
    var answer = try await socket.readHead()
    answer.body = try await socket.readToEnd()
    return answer
  }

  @Test(
    "answers who only reads, load balancers with OPTIONS and HTTP/1.0 included",
    arguments: [
      ("GET /healthz HTTP/1.1", 200, "alive\n"), ("HEAD /healthz HTTP/1.1", 200, ""),
      ("OPTIONS /healthz HTTP/1.0", 200, "alive\n"), ("GET /readyz HTTP/1.0", 200, "ready\n"),
      ("GET /metrics?x HTTP/1.1", 200, "# EOF\n"),
      ("POST /metrics HTTP/1.1", 405, "this path takes only GET, HEAD\n"),
      ("OPTIONS /metrics HTTP/1.1", 405, "this path takes only GET, HEAD\n"),
      ("POST /healthz HTTP/1.1", 405, "this path takes only GET, HEAD, OPTIONS\n"),
      ("GET / HTTP/1.1", 404, "no such path; there are /healthz, /readyz and /metrics\n"),
      ("hello", 400, "the request is not HTTP/1.1, or not as RFC 9112 has it\n"),
      (
        "GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 50_000), 431,
        "the header is over 16384 bytes or 100 fields\n"
      ),
    ])
  func answers(request: String, status: Int, body: String) async throws {
    let answer = try await self.answer(to: request + "\r\n\r\n")
    #expect(answer.status == status)
    #expect(answer.body == body)
    #expect(answer["x-content-type-options"] == "nosniff")
    #expect(answer["connection"] == "close")
  }

  @Test("says that the service is not ready while it is not")
  func notReady() async throws {
    let answer = try await self.answer(to: "GET /readyz HTTP/1.1\r\n\r\n", isReady: false)
    #expect(answer.status == 503)
    #expect(answer.body == "not ready\n")
  }
}
