import NIOCore
import NIOHTTP1

/// What a server answers. Called on the event loop of the connection.
package protocol HTTPServing: Sendable {
  /// What is wrong with a request, as far as its head tells; nil to have its body read.
  func refusal(of head: HTTPRequestHead) -> PlainHTTPResponse?

  /// The answer to a request that has come whole.
  func answer(
    to head: HTTPRequestHead, body: ByteBuffer, on eventLoop: any EventLoop
  ) -> EventLoopFuture<PlainHTTPResponse>

  /// The answer where the way of HTTP itself failed. The connection is closed behind it.
  func answer(to fault: HTTPFault) -> PlainHTTPResponse

  /// An answer is sent, so long after the head of its request was there; where none ever was, after
  /// the first byte.
  func answered(_ response: PlainHTTPResponse, after time: TimeAmount)
}

/// What can go wrong with a request before anybody looks at what it asks for.
package enum HTTPFault: Error, Hashable, CaseIterable {
  /// It is not HTTP/1.
  case malformed
  /// Its header is over the limits.
  case headerTooLarge
  /// Its body is over the limit.
  case bodyTooLarge
  /// Its `Expect` is not `100-continue`.
  case unknownExpectation
  /// It did not come whole in time.
  case tooSlow
  /// Its answer was not found in time, or not at all.
  case unanswered
  /// The server has all the connections it takes.
  case tooManyConnections
}
