import NIOCore
import NIOHTTP1

/// The application behind a server. Called on the event loop of the connection.
package protocol HTTPServing: Sendable {
  /// The refusal of a request by its head; nil to read its body.
  func refusal(of head: HTTPRequestHead) -> PlainHTTPResponse?

  /// The answer to a complete request.
  func answer(
    to head: HTTPRequestHead, body: ByteBuffer, on eventLoop: any EventLoop
  ) -> EventLoopFuture<PlainHTTPResponse>

  /// The answer where HTTP itself failed. The connection is closed after it.
  func answer(to fault: HTTPFault) -> PlainHTTPResponse

  /// An answer is sent, so long after the head of its request was there; where none ever was, after
  /// the first byte.
  func answered(_ response: PlainHTTPResponse, after time: TimeAmount)
}

/// Faults of a request that are found before anything looks at its meaning.
package enum HTTPFault: Error, Hashable, CaseIterable {
  /// It is not HTTP/1.
  case malformed
  case headerTooLarge
  case bodyTooLarge
  /// Its `Expect` is not `100-continue`.
  case unknownExpectation
  /// It was not complete in time.
  case tooSlow
  /// Its answer was not ready in time, or never.
  case unanswered
  /// The server has no room for another connection.
  case tooManyConnections
}
