import ConnectTestStand
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import ServiceLifecycle
import TestSupport
import Testing

@testable import HTTPServer

@Suite("The management port", .timeLimit(.minutes(20)))
struct ManagementTests {
  private func with(
    listeningOn given: Int = 0,
    _ change: (inout HTTPServingLimits) -> Void = { _ in },
    isReady: @escaping @Sendable () async -> Bool = { true },
    logger: Logger = .silent,
    _ body: (_ port: Int, ServiceGroup) async throws -> Void
  ) async throws {
    var limits = ManagementLimits.http.patient()
    change(&limits)
    let service = try await ManagementService(
      host: "127.0.0.1", port: given, group: MultiThreadedEventLoopGroup.singleton, limits: limits,
      metrics: { .text(.ok, "# EOF") }, isReady: isReady, logger: logger)
    let port = try #require(service.address?.port)
    let group = ServiceGroup(services: [service], logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      try await body(port, group)
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
    }
  }

  /// The one answer to what a connection says, behind which the connection ends.
  private func answer(_ port: Int, to text: String) async throws -> HTTPAnswer {
    let socket = try await TestSocket.open(port: port)
    socket.send(text)
    var answer = try await socket.readHead()
    answer.body = try await socket.readToEnd()
    return answer
  }

  @Test(
    "answers who only reads, load balancers with OPTIONS and HTTP/1.0 included, once each",
    arguments: [
      ("GET /healthz HTTP/1.1", 200, "alive\n"), ("HEAD /healthz HTTP/1.1", 200, ""),
      ("OPTIONS /healthz HTTP/1.0", 200, "alive\n"), ("GET /readyz HTTP/1.0", 200, "ready\n"),
      ("HEAD /readyz HTTP/1.1", 200, ""), ("GET http://x/readyz HTTP/1.1", 200, "ready\n"),
      ("GET http://x/healthz?y HTTP/1.1", 200, "alive\n"),
      ("GET /metrics?x HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", 200, "# EOF\n"),
      ("POST /metrics HTTP/1.1", 405, "this path takes only GET, HEAD\n"),
      ("POST /readyz HTTP/1.1\r\nContent-Length: 1", 405, "this path takes only GET, HEAD\n"),
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
    try await self.with { port, _ in
      let answer = try await self.answer(
        port, to: request + "\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n")
      #expect(answer.status == status)
      #expect(answer.body == body)
      #expect(answer["content-type"] == "text/plain; charset=utf-8")
      #expect(answer["x-content-type-options"] == "nosniff")
      #expect(answer["connection"] == "close")
      if status == 405 { #expect(body == "this path takes only \(answer["allow"] ?? "")\n") }
    }
  }

  @Test("says that the service is not ready while it is not")
  func notReady() async throws {
    try await self.with(isReady: { false }) { port, _ in
      let answer = try await self.answer(port, to: "GET /readyz HTTP/1.1\r\n\r\n")
      #expect(answer.status == 503)
      #expect(answer.body == "not ready\n")
    }
  }

  @Test("waits ten seconds at most for whatever it waits for")
  func patience() async throws {
    let limits = ManagementLimits.http
    for milliseconds in [
      limits.idleMilliseconds, limits.headMilliseconds, limits.bodyMilliseconds,
      limits.answerMilliseconds, limits.writeMilliseconds,
    ] {
      #expect(milliseconds == 5_000)
    }
    try await self.with {
      $0.idleMilliseconds = 50
    } _: { port, _ in
      let said = try await TestSocket.open(port: port).readToEnd()
      #expect(said == "")
    }
    try await self.with {
      $0.headMilliseconds = 50
    } _: { port, _ in
      let answer = try await self.answer(port, to: "GET /healthz HT")
      #expect(answer.status == 408)
    }
    let never = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Void.self)
    try await self.with {
      $0.answerMilliseconds = 50
    } isReady: {
      (try? await never.futureResult.get()) != nil
    } _: { port, _ in
      let answer = try await self.answer(port, to: "GET /readyz HTTP/1.1\r\n\r\n")
      #expect(answer.status == 503)
      never.succeed()
    }
  }

  @Test("accepts sixteen connections, and others as soon as these end")
  func connections() async throws {
    #expect(ManagementLimits.http.sockets == 16)
    #expect(ManagementLimits.http.budget == nil)
    let log = EventLog()
    try await self.with(logger: log.logger) { port, _ in
      var silent: [TestSocket] = []
      for _ in 0..<14 { silent.append(try await TestSocket.open(port: port)) }
      #expect(try await self.answer(port, to: "GET /healthz HTTP/1.1\r\n\r\n").status == 200)
      #expect(log.count("listener.paused") == 0)
      for _ in 0..<2 { silent.append(try await TestSocket.open(port: port)) }
      try await eventually("it accepts no more") { log.count("listener.paused") > 0 }
      let next = try await TestSocket.open(port: port)
      next.send("GET /healthz HTTP/1.1\r\n\r\n")
      for socket in silent { socket.close() }
      #expect(try await next.readHead().status == 200)
    }
  }

  @Test(
    "answers what has begun when it stops, and leaves who has said nothing",
    .timeLimit(.minutes(20)))
  func stop() async throws {
    let isAsked = NIOLockedValueBox(false)
    let found = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Void.self)
    try await self.with(listeningOn: TakenPort.free()) {
      // Not waited for: it ends when the last connection does.
      $0.stopMilliseconds = 3_600_000
    } isReady: {
      isAsked.withLockedValue { $0 = true }
      try? await found.futureResult.get()
      return true
    } _: { port, group in
      let silent = try await TestSocket.open(port: port)
      let asking = try await TestSocket.open(port: port)
      asking.send("GET /readyz HTTP/1.1\r\n\r\n")
      try await eventually("it is asked") { isAsked.withLockedValue { $0 } }
      await group.triggerGracefulShutdown()
      #expect(try await silent.readToEnd() == "")
      await #expect(throws: (any Error).self) { try await TestSocket.open(port: port) }
      found.succeed()
      #expect(try await asking.readHead().status == 200)
    }
  }
}
