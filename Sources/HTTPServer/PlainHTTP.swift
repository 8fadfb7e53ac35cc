import NIOCore
import NIOHTTP1
import SocketErrors

/// # PlainHTTP
///
/// The little HTTP that both services speak beside their real work.
///
/// - This file is the public port of a gateway before the upgrade: one request per connection,
///   answered in full from memory.
/// - `Serving/` is a server of requests with bodies, one after the other on a connection.
/// - `Management/` is health and metrics, which that serves.

/// Limits of an HTTP request, each with its unit.
package struct PlainHTTPLimits: Sendable {
  /// Bytes of all header fields.
  package var headerBytes = 16 * 1024
  package var headerFields = 100
  /// Time from accept to the end of the answer, or to an upgrade, in milliseconds.
  package var requestMilliseconds: Int64 = 10_000
  /// How long is waited for the client to end the connection after the answer, in milliseconds. Until
  /// then what it says is read and dropped: else it could lose the answer.
  package var lingerMilliseconds: Int64 = 2_000

  package init() {}
}

/// A port could not be opened, in a sentence that says what to do.
package struct CannotListen: Error, CustomStringConvertible {
  package let description: String

  package init(host: String, port: Int, _ error: any Error) {
    let reason = SocketFailure.reason(of: error)
    let advice = SocketFailure.advice(onListening: error)
    self.description = "cannot listen on \(host):\(port): \(reason); \(advice)"
  }
}

package struct PlainHTTPResponse: Sendable {
  package var status: HTTPResponseStatus
  /// Further headers, beside `content-type`, `content-length`, `connection` and the safety headers.
  package var headers: [(String, String)]
  package var contentType: String
  package var body: ByteBuffer
  /// The name under which it is counted.
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

  /// The answer of `/healthz`, also in HTTP/1.0, which load balancers use.
  package static let alive = PlainHTTPResponse(
    status: .ok, headers: [("allow", Self.healthMethods)], body: ByteBuffer(string: "alive\n"))

  /// Methods of `/healthz`: HAProxy uses OPTIONS.
  package static let healthMethods = "GET, HEAD, OPTIONS"

  package static func isHealthMethod(_ method: HTTPMethod) -> Bool {
    [.GET, .HEAD, .OPTIONS].contains(method)
  }

  package static func text(_ status: HTTPResponseStatus, _ line: String) -> PlainHTTPResponse {
    PlainHTTPResponse(status: status, body: ByteBuffer(string: line + "\n"))
  }
}

/// Answers the first request of a connection, then closes it.
///
/// Closing is deliberate: an upgrade is possible only on a connection's first request, and a proxy
/// that keeps connections would send one on a connection that has served another request before.
package final class PlainHTTPHandler: ChannelInboundHandler, RemovableChannelHandler {
  package typealias InboundIn = HTTPServerRequestPart
  package typealias OutboundOut = HTTPServerResponsePart

  private let limits: PlainHTTPLimits
  private let route: (HTTPRequestHead, any EventLoop) -> EventLoopFuture<PlainHTTPResponse>
  private let answerToError: (any Error) -> PlainHTTPResponse?
  private let answerToFault: (HTTPFault) -> PlainHTTPResponse
  /// Whether the request is answered; only one is.
  private var isDecided = false
  private var deadline: Scheduled<Void>?
  private var head: HTTPRequestHead?
  /// The answer of a refused upgrade, decided before the request was passed on.
  private var decided: PlainHTTPResponse?

  /// - Parameters:
  ///   - answerToError: what an error, passed down the pipeline before the request, decides.
  ///   - answerToFault: the answer to what the parser refuses.
  ///   - route: the answer to a request.
  package init(
    limits: PlainHTTPLimits = PlainHTTPLimits(),
    answerToError: @escaping (any Error) -> PlainHTTPResponse? = { _ in nil },
    answerToFault: @escaping (HTTPFault) -> PlainHTTPResponse,
    route: @escaping (HTTPRequestHead, any EventLoop) -> EventLoopFuture<PlainHTTPResponse>
  ) {
    self.limits = limits
    self.answerToError = answerToError
    self.answerToFault = answerToFault
    self.route = route
  }

  package func handlerAdded(context: ChannelHandlerContext) {
    self.closeAfter(milliseconds: self.limits.requestMilliseconds, context: context)
  }

  package func handlerRemoved(context: ChannelHandlerContext) { self.deadline?.cancel() }

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch self.unwrapInboundIn(data) {
    case .head(let head):
      if !self.isDecided { self.head = head }
    case .body:
      break
    case .end:
      guard !self.isDecided, let head = self.head else { return }
      self.isDecided = true
      self.answer(head, context: context)
    }
  }

  package func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let response = self.answerToError(error) {
      self.decided = response
    } else if let fault = HTTPFault(parsing: error) {
      guard !self.isDecided else { return }
      self.isDecided = true
      self.write(self.answerToFault(fault), isBodyWanted: true, context: context)
    } else if !(error is ByteToMessageDecoderError) {
      // What comes behind an error of the parser is dropped; anything else is the socket's.
      context.close(promise: nil)
    }
  }

  private func closeAfter(milliseconds: Int64, context: ChannelHandlerContext) {
    self.deadline?.cancel()
    let channel = context.channel
    self.deadline = context.eventLoop.scheduleTask(in: .milliseconds(milliseconds)) {
      channel.close(promise: nil)
    }
  }

  private func answer(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
    let isBodyWanted = head.method != .HEAD
    if let decided = self.decided {
      return self.write(decided, isBodyWanted: isBodyWanted, context: context)
    }
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
    self.route(head, context.eventLoop).hop(to: context.eventLoop).whenComplete { result in
      let response =
        (try? result.get()) ?? .text(.internalServerError, "the request could not be answered")
      handler.value.write(response, isBodyWanted: isBodyWanted, context: bound.value)
    }
  }

  private func write(
    _ response: PlainHTTPResponse, isBodyWanted: Bool, context: ChannelHandlerContext
  ) {
    var headers = HTTPHeaders([
      ("content-type", response.contentType),
      ("content-length", "\(response.body.readableBytes)"),
      ("connection", "close"),
      ("x-content-type-options", "nosniff"),
    ])
    for (name, value) in response.headers { headers.add(name: name, value: value) }
    context.write(
      self.wrapOutboundOut(
        .head(HTTPResponseHead(version: .http1_1, status: response.status, headers: headers))),
      promise: nil)
    if isBodyWanted {
      context.write(self.wrapOutboundOut(.body(.byteBuffer(response.body))), promise: nil)
    }
    let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
    context.writeAndFlush(self.wrapOutboundOut(.end(nil))).whenSuccess {
      let (handler, context) = bound.value
      context.close(mode: .output, promise: nil)
      handler.closeAfter(milliseconds: handler.limits.lingerMilliseconds, context: context)
    }
  }
}

extension HTTPRequestHead {
  /// The rule behind ``isHTTP11``, in a sentence.
  package static let isHTTP11Rule =
    "the request must be of HTTP/1.1, and have one Host (RFC 9112, section 3.2)"

  /// Whether it obeys those rules of HTTP/1.1 that NIO's parser does not check.
  package var isHTTP11: Bool { self.version == .http1_1 && self.headers["host"].count == 1 }
}

extension NIOHTTPDecoderLimitConfiguration {
  /// NIO's decoder with our limits: its own default accepts 2 MB of headers.
  package init(_ limits: PlainHTTPLimits) {
    self.init()
    self.maxHeaderListSize = limits.headerBytes
    self.maxHeaderFieldCount = limits.headerFields
  }
}
