import NIOCore
import NIOHTTP1

/// Answers of the management port, in plain text, and in HTTP/1.0 too.
struct ManagementServing: HTTPServing {
  let limits: HTTPServingLimits
  let metrics: @Sendable () -> PlainHTTPResponse
  let isReady: @Sendable () async -> Bool

  func refusal(of head: HTTPRequestHead) -> PlainHTTPResponse? {
    let methods: String
    switch RequestTarget.split(head.uri).path {
    case "/healthz":
      if PlainHTTPResponse.isHealthMethod(head.method) { return nil }
      methods = PlainHTTPResponse.healthMethods
    case "/readyz", "/metrics":
      if [.GET, .HEAD].contains(head.method) { return nil }
      methods = "GET, HEAD"
    default:
      return .text(.notFound, "no such path; there are /healthz, /readyz and /metrics")
    }
    var response = PlainHTTPResponse.text(.methodNotAllowed, "this path takes only \(methods)")
    response.headers = [("allow", methods)]
    return response
  }

  func answer(
    to head: HTTPRequestHead, body: ByteBuffer, on eventLoop: any EventLoop
  ) -> EventLoopFuture<PlainHTTPResponse> {
    switch RequestTarget.split(head.uri).path {
    case "/healthz":
      eventLoop.makeSucceededFuture(.alive)
    case "/readyz":
      eventLoop.makeFutureWithTask {
        await self.isReady() ? .text(.ok, "ready") : .text(.serviceUnavailable, "not ready")
      }
    default:
      // The page takes long to make: not on an event loop that clients share.
      eventLoop.makeFutureWithTask { self.metrics() }
    }
  }

  func answer(to fault: HTTPFault) -> PlainHTTPResponse {
    let status: HTTPResponseStatus =
      switch fault {
      case .malformed: .badRequest
      case .headerTooLarge: .requestHeaderFieldsTooLarge
      case .bodyTooLarge: .payloadTooLarge
      case .unknownExpectation: .expectationFailed
      case .tooSlow: .requestTimeout
      case .unanswered, .tooManyConnections: .serviceUnavailable
      }
    let sentence =
      fault == .unanswered
      ? "the service did not answer in time" : fault.sentence(self.limits)
    return .text(status, sentence)
  }

  func answered(_ response: PlainHTTPResponse, after time: TimeAmount) {}
}
