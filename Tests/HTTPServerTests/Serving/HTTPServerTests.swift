import ConnectTestStand
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import TestSupport
import Testing

@testable import HTTPServer

/// Answers what it was asked, and what went wrong by its name.
private final class Echo: HTTPServing {
  /// How long each answer is said to have taken.
  let times = NIOLockedValueBox<[TimeAmount]>([])
  /// How many answers were too big for a socket's buffer.
  let bigAnswers = NIOLockedValueBox(0)
  private let never = NIOLockedValueBox<[EventLoopPromise<PlainHTTPResponse>]>([])

  func refusal(of head: HTTPRequestHead) -> PlainHTTPResponse? {
    head.uri == "/no" ? .text(.forbidden, "no") : nil
  }

  func answer(
    to head: HTTPRequestHead, body: ByteBuffer, on eventLoop: any EventLoop
  ) -> EventLoopFuture<PlainHTTPResponse> {
    if head.uri == "/never" {
      let promise = eventLoop.makePromise(of: PlainHTTPResponse.self)
      self.never.withLockedValue { $0.append(promise) }
      return promise.futureResult
    }
    if head.uri == "/fails" { return eventLoop.makeFailedFuture(HTTPFault.malformed) }
    if head.uri == "/big" {
      self.bigAnswers.withLockedValue { $0 += 1 }
      return eventLoop.makeSucceededFuture(
        PlainHTTPResponse(
          status: .ok, body: ByteBuffer(repeating: UInt8(ascii: "x"), count: 4 * 1024 * 1024)))
    }
    return eventLoop.makeSucceededFuture(
      .text(.ok, "\(head.method) \(head.uri) \(String(buffer: body))"))
  }

  func answer(to fault: HTTPFault) -> PlainHTTPResponse { .text(.badRequest, "\(fault)") }

  func answered(_ response: PlainHTTPResponse, after time: TimeAmount) {
    self.times.withLockedValue { $0.append(time) }
  }

  /// So that no promise is left.
  func end() {
    for promise in self.never.withLockedValue({ $0 }) { promise.succeed(.text(.ok, "late")) }
  }
}

@Suite("A server of HTTP", .timeLimit(.minutes(20)))
struct HTTPServerTests {
  private func with(
    echo: Echo = Echo(), _ change: (inout HTTPServingLimits) -> Void = { _ in },
    _ body: (_ port: Int, HTTPServer) async throws -> Void
  ) async throws {
    var limits = HTTPServingLimits().patient()
    change(&limits)
    let server = HTTPServer(
      limits: limits, serving: echo, name: "test",
      logger: Logger.silent)
    try await server.start(
      host: "127.0.0.1", port: 0, group: MultiThreadedEventLoopGroup.singleton)
    let port = try #require(server.address?.port)
    do { try await body(port, server) } catch {
      echo.end()
      await server.stop()
      throw error
    }
    echo.end()
    await server.stop()
    #expect(server.connectionCount == 0)
  }

  private func connect(_ port: Int) async throws -> HTTPTestConnection {
    HTTPTestConnection(try await TestSocket.open(port: port))
  }

  private func request(_ path: String, _ body: String? = nil) -> HTTPTestRequest {
    HTTPTestRequest(body == nil ? "GET" : "POST", path, body: body, token: nil)
  }

  /// The one answer to raw bytes, behind which the connection ends.
  private func lastAnswer(_ port: Int, to bytes: String) async throws -> HTTPAnswer {
    let connection = try await self.connect(port)
    connection.socket.send(bytes)
    let answer = try await connection.answer()
    #expect(answer["connection"] == "close")
    #expect(try await connection.socket.readToEnd() == "")
    return answer
  }

  /// The body of the one answer to raw bytes; nil if it does not matter.
  private func expect(_ body: String?, _ port: Int, to bytes: String) async throws {
    let answer = try await self.lastAnswer(port, to: bytes)
    if let body { #expect(answer.body == body) }
  }

  @Test("answers one request after the other, also those that were sent ahead")
  func pipelining() async throws {
    try await self.with { port, _ in
      let connection = try await self.connect(port)
      for number in 0..<3 {
        #expect(
          try await connection.ask(self.request("/\(number)", "b")).body == "POST /\(number) b\n")
      }
      // Byte by byte.
      for byte in self.request("/slow", "hello").text.utf8 { connection.socket.sendRaw([byte]) }
      #expect(try await connection.answer().body == "POST /slow hello\n")
      // More than one read brings, and enough to overflow a stack that each would deepen.
      let count = 5_000
      var requests = (0..<count).map { self.request("/\($0)", $0.isMultiple(of: 2) ? "x" : nil) }
      requests[count - 1] = requests[count - 1].with("Connection", "close")
      connection.socket.send(requests.map(\.text).joined())
      let answers = try await connection.socket.readToEnd().split(separator: "HTTP/1.1 200 OK")
      #expect(
        answers.compactMap { $0.split(separator: "\r\n\r\n").last.map(String.init) }
          == (0..<count).map { $0.isMultiple(of: 2) ? "POST /\($0) x\n" : "GET /\($0) \n" })
    }
  }

  @Test("closes behind the request that asks for it, and behind one of HTTP/1.0")
  func close() async throws {
    try await self.with { port, _ in
      let asked = self.request("/a").with("Connection", "close")
      try await self.expect("GET /a \n", port, to: asked.text)
      try await self.expect("GET /b \n", port, to: "GET /b HTTP/1.0\r\n\r\n")
      try await self.expect(
        "GET /b \n", port, to: "GET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      // What comes behind it is not looked at.
      try await self.expect(nil, port, to: asked.text + self.request("/c").text)
      let upgrade = self.request("/d").with("Connection", "upgrade").with("Upgrade", "h2c")
      try await self.expect(nil, port, to: upgrade.text)
    }
  }

  @Test(
    "says what is wrong with what is not a request, and ends",
    arguments: [
      "nonsense\r\n\r\n", "GET / HTTP/3.0\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nA b: c\r\n\r\n", "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}",
    ])
  func malformed(bytes: String) async throws {
    try await self.with { port, _ in
      try await self.expect("malformed\n", port, to: bytes)
      // Behind a good request, in its turn.
      let connection = try await self.connect(port)
      connection.socket.send(self.request("/good").text + bytes)
      #expect(try await connection.answer().body == "GET /good \n")
      #expect(try await connection.answer().body == "malformed\n")
    }
  }

  @Test("bounds the header, the target and the body")
  func bounds() async throws {
    try await self.with {
      $0.headerBytes = 1_000
      $0.headerFields = 10
      $0.bodyBytes = 100
    } _: { port, _ in
      let long = String(repeating: "x", count: 1_000)
      try await self.expect("headerTooLarge\n", port, to: self.request("/").with("A", long).text)
      let many = (0..<11).map { "A\($0): b\r\n" }.joined()
      try await self.expect("headerTooLarge\n", port, to: "GET / HTTP/1.1\r\n\(many)\r\n")
      try await self.expect(nil, port, to: "GET /\(long) HTTP/1.1\r\n\r\n")
      let body = String(repeating: "y", count: 101)
      try await self.expect("bodyTooLarge\n", port, to: self.request("/", body).text)
      try await self.expect("bodyTooLarge\n", port, to: self.request("/", body).head)
      let chunks =
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        + String(repeating: "32\r\n" + String(repeating: "z", count: 50) + "\r\n", count: 3)
      try await self.expect("bodyTooLarge\n", port, to: chunks)
      let connection = try await self.connect(port)
      let exact = String(repeating: "y", count: 100)
      #expect(try await connection.ask(self.request("/", exact)).body == "POST / \(exact)\n")
      #expect(try await connection.ask(self.request("/no", exact)).body == "no\n")
      #expect(try await connection.ask(self.request("/", "z")).body == "POST / z\n")
    }
  }

  @Test("does not wait for ever for the head of a request, its body, or its answer")
  func deadlines() async throws {
    try await self.with {
      $0.headMilliseconds = 50
    } _: { port, _ in
      try await self.expect("tooSlow\n", port, to: "GET / HT")
    }
    try await self.with {
      $0.bodyMilliseconds = 50
    } _: { port, _ in
      try await self.expect("tooSlow\n", port, to: self.request("/", "b").head)
      try await self.expect("tooSlow\n", port, to: self.request("/no", "b").head)
    }
    try await self.with {
      $0.answerMilliseconds = 50
    } _: { port, _ in
      try await self.expect("unanswered\n", port, to: self.request("/never").text)
    }
  }

  @Test("does not wait for ever for a request, or for its answer to be read")
  func idlers() async throws {
    try await self.with {
      $0.idleMilliseconds = 500
    } _: { port, _ in
      let idle = try await self.connect(port)
      #expect(try await idle.socket.readToEnd() == "")
      // On a busy machine even that is idle for too long.
      var served: HTTPTestConnection?
      try await eventually("a request comes in time") {
        let connection = try await self.connect(port)
        guard (try? await connection.ask(self.request("/")))?.status == 200 else {
          return false
        }
        served = connection
        return true
      }
      #expect(try await served?.socket.readToEnd() == "")
    }
    let echo = Echo()
    try await self.with(echo: echo) {
      $0.writeMilliseconds = 100
    } _: { port, server in
      // One that reads nothing of an answer that no socket buffer holds.
      let deaf = HTTPTestConnection(
        try await TestSocket.open(port: port, receiveBufferBytes: 4_096))
      try await deaf.socket.setReading(false)
      for _ in 0..<4 { deaf.socket.send(self.request("/big").text) }
      try await eventually("it is served") { echo.bigAnswers.withLockedValue { $0 } > 0 }
      try await eventually("its connection is closed") { server.connectionCount == 0 }
    }
  }

  @Test(
    "times an answer from its own request, also where that never had a head",
    arguments: [
      "nonsense\r\n\r\n", "GET / HT",
      "GET / HTTP/1.1\r\nA: \(String(repeating: "x", count: 1_000))\r\n\r\n",
    ])
  func times(bytes: String) async throws {
    let echo = Echo()
    try await self.with(echo: echo) {
      $0.headMilliseconds = 1_000
      $0.headerBytes = 1_000
    } _: { port, _ in
      let connection = try await self.connect(port)
      #expect(try await connection.ask(self.request("/")).status == 200)
      try await Task.sleep(for: .milliseconds(200))
      let sent = NIODeadline.now()
      connection.socket.send(bytes)
      #expect(try await connection.answer().status == 400)
      let elapsed = NIODeadline.now() - sent
      let times = echo.times.withLockedValue { $0 }
      #expect(times.count == 2)
      #expect(try #require(times.last) <= elapsed)
    }
  }

  @Test("lets the client read its last answer, whatever that still sends")
  func linger() async throws {
    try await self.with { port, _ in
      let connection = try await self.connect(port)
      connection.socket.send("GET / HTTP/9\r\n\r\n" + String(repeating: "x", count: 1_000_000))
      #expect(try await connection.answer().body == "malformed\n")
      #expect(try await connection.socket.readToEnd() == "")
    }
  }

  @Test("says so where the finding of an answer failed")
  func failure() async throws {
    try await self.with { port, _ in
      let connection = try await self.connect(port)
      #expect(try await connection.ask(self.request("/fails")).body == "unanswered\n")
      #expect(try await connection.ask(self.request("/")).status == 200)
    }
  }

  @Test(
    "takes so many connections, tells some more that it does not, and takes others when one goes")
  func connections() async throws {
    try await self.with {
      $0.connections = 3
      $0.refusedConnections = 2
    } _: { port, server in
      var open: [HTTPTestConnection] = []
      for _ in 0..<3 {
        let connection = try await self.connect(port)
        #expect(try await connection.ask(self.request("/")).status == 200)
        open.append(connection)
      }
      let refused = try await self.connect(port)
      #expect(try await refused.answer().body == "tooManyConnections\n")
      #expect(try await refused.socket.readToEnd() == "")
      open[0].socket.close()
      try await eventually("there is room") { server.connectionCount < 3 }
      let next = try await self.connect(port)
      #expect(try await next.ask(self.request("/")).status == 200)
    }
  }
}
