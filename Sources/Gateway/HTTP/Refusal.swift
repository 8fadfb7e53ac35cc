import ConnectProtocol
import HTTPServer
import NIOCore
import NIOHTTP1

/// Why a connection is not upgraded: a code of the protocol and a sentence for people.
struct Refusal: Error, Hashable {
  let code: RefusalCode
  let message: String

  init(_ code: RefusalCode, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The refusal of a request that the parser refuses.
  init(_ fault: HTTPFault) {
    self.init(
      fault == .headerTooLarge ? .headerTooLarge : .malformed,
      HTTPFault.parserMessage(
        fault, headerBytes: GatewayLimits.httpHeaderBytes,
        headerFields: GatewayLimits.httpHeaderFields))
  }

  var response: PlainHTTPResponse {
    var headers: [(String, String)] = []
    switch self.code {
    case .unauthorized: headers.append(("www-authenticate", "Bearer"))
    case .upgradeRequired:
      headers.append(("upgrade", "websocket"))
      headers.append(("sec-websocket-version", "13"))
    case .tooManyConnections, .draining, .unavailable:
      headers.append(("retry-after", "\(max(1, GatewayLimits.retryAfterMilliseconds / 1_000))"))
    // A version of WebSocket that is not served is malformed too, and must be told which one is.
    case .malformed: headers.append(("sec-websocket-version", "13"))
    case .forbidden, .notFound, .headerTooLarge: break
    }
    var body = ByteBuffer()
    _ = body.writeRefusal(code: self.code, message: self.message)
    body.writeString("\n")
    return PlainHTTPResponse(
      status: HTTPResponseStatus(statusCode: self.code.status),
      contentType: "application/json", headers: headers, body: body)
  }
}
