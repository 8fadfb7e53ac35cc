import NIOCore
import NIOHTTP1

/// An answer, whole and in memory.
package struct PlainHTTPResponse: Sendable {
  package var status: HTTPResponseStatus
  /// Beside `content-type`, `content-length`, `connection` and `server`-side safety headers.
  package var headers: [(String, String)]
  /// The media type of the body.
  package var contentType: String
  package var body: ByteBuffer
  /// Under what name it is counted.
  package var label = ""

  package init(
    status: HTTPResponseStatus, contentType: String = "text/plain; charset=utf-8",
    headers: [(String, String)] = [], body: ByteBuffer
  ) {
    self.status = status
    self.headers = headers
    self.contentType = contentType
    self.body = body
  }

  /// The answer of `/healthz`, in HTTP/1.0 too, since that is how load balancers ask.
  package static let alive = PlainHTTPResponse(
    status: .ok, headers: [("allow", Self.healthMethods)], body: ByteBuffer(string: "alive\n"))

  /// The methods that `/healthz` answers: HAProxy asks with OPTIONS.
  package static let healthMethods = "GET, HEAD, OPTIONS"

  package static func isHealthMethod(_ method: HTTPMethod) -> Bool {
    [.GET, .HEAD, .OPTIONS].contains(method)
  }

  package static func text(_ status: HTTPResponseStatus, _ line: String) -> PlainHTTPResponse {
    PlainHTTPResponse(status: status, body: ByteBuffer(string: line + "\n"))
  }
}
