import HTTPServer
import NIOCore
import NIOHTTP1

enum PublicRoutes {
  static func response(
    to head: HTTPRequestHead, servesDemoPage: Bool
  ) throws(Refusal) -> PlainHTTPResponse {
    let path = RequestTarget.split(head.uri).path
    if path == "/healthz", PlainHTTPResponse.isHealthMethod(head.method) { return .alive }
    guard head.isHTTP11 else {
      throw Refusal(.malformed, HTTPRequestHead.isHTTP11Rule)
    }
    if path == ConnectRequest.path {
      throw Refusal(
        .upgradeRequired, "\(path) takes a WebSocket upgrade only: Upgrade: websocket")
    }
    guard head.method == .GET || head.method == .HEAD else {
      throw Refusal(.malformed, "only GET is served here")
    }
    if servesDemoPage, let file = DemoPage.response(to: path) { return file }
    throw Refusal(.notFound, "no such path; connect to \(ConnectRequest.path)")
  }
}
