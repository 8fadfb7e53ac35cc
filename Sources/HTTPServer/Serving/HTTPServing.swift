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
