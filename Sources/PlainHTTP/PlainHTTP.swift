import NIOCore
import NIOHTTP1
import SocketErrors

/// # PlainHTTP
///
/// The little HTTP that both services speak beside their real work.
///
/// - This file is health, the demo page, and refusals: one request per connection, answered in full
///   from memory.
/// - `Serving/` is a server of requests with bodies, one after the other on a connection.

/// Limits of an HTTP request, each with its unit.
package struct PlainHTTPLimits: Sendable {
  /// Header bytes.
  package var headerBytes = 16 * 1024
  /// Header fields.
  package var headerFields = 100
  /// From accept to the end of the answer, or to an upgrade, in milliseconds.
  package var requestMilliseconds: Int64 = 10_000

  /// The defaults.
  package init() {}
}

/// A port that could not be listened on, in a sentence that says what to do.
package struct CannotListen: Error, CustomStringConvertible {
  package let description: String

  package init(host: String, port: Int, _ error: any Error) {
    let reason = SocketFailure.reason(of: error)
    self.description =
      "cannot listen on \(host):\(port): \(reason); end what is there, or choose another port"
  }
}

/// An answer.
package struct PlainHTTPResponse: Sendable {
  /// The status.
  package var status: HTTPResponseStatus
  /// Beside `content-type`, `content-length`, `connection` and `server`-side safety headers.
  package var headers: [(String, String)]
  /// The media type of the body.
  package var contentType: String
  /// The body.
  package var body: ByteBuffer
  /// Under what name it is counted.
  package var label = ""

  /// An answer with everything chosen.
  package init(
    status: HTTPResponseStatus, contentType: String = "text/plain; charset=utf-8",
    headers: [(String, String)] = [], body: ByteBuffer
  ) {
    self.status = status
    self.headers = headers
    self.contentType = contentType
    self.body = body
  }

  /// A line of text.
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
  private var deadline: Scheduled<Void>?
  private var head: HTTPRequestHead?
  /// An answer that was decided before the request was passed on, by an upgrade that was refused.
  private var decided: PlainHTTPResponse?

  /// - Parameters:
  ///   - answerToError: what an error, passed down the pipeline before the request, decides.
  ///   - route: the answer to a request.
  package init(
    limits: PlainHTTPLimits = PlainHTTPLimits(),
    answerToError: @escaping (any Error) -> PlainHTTPResponse? = { _ in nil },
    route: @escaping (HTTPRequestHead, any EventLoop) -> EventLoopFuture<PlainHTTPResponse>
  ) {
    self.limits = limits
    self.answerToError = answerToError
    self.route = route
  }

  package func handlerAdded(context: ChannelHandlerContext) {
    let channel = context.channel
    self.deadline = context.eventLoop.scheduleTask(
      in: .milliseconds(self.limits.requestMilliseconds)
    ) {
      channel.close(promise: nil)
    }
  }

  package func handlerRemoved(context: ChannelHandlerContext) { self.deadline?.cancel() }

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch self.unwrapInboundIn(data) {
    case .head(let head):
      if self.head == nil { self.head = head }
    case .body:
      break
    case .end:
      guard let head = self.head else { return }
      self.answer(head, context: context)
    }
  }

  package func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let response = self.answerToError(error) {
      self.decided = response
    } else {
      context.close(promise: nil)
    }
  }

  private func answer(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
    if let decided = self.decided { return self.write(decided, to: head, context: context) }
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
    self.route(head, context.eventLoop).hop(to: context.eventLoop).whenComplete { result in
      let response =
        (try? result.get()) ?? .text(.internalServerError, "the request could not be answered")
      handler.value.write(response, to: head, context: bound.value)
    }
  }

  private func write(
    _ response: PlainHTTPResponse, to request: HTTPRequestHead, context: ChannelHandlerContext
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
    if request.method != .HEAD {
      context.write(self.wrapOutboundOut(.body(.byteBuffer(response.body))), promise: nil)
    }
    let channel = context.channel
    context.writeAndFlush(self.wrapOutboundOut(.end(nil))).whenComplete { _ in
      channel.close(promise: nil)
    }
  }
}

extension NIOHTTPDecoderLimitConfiguration {
  /// NIO's decoder with our limits: its own default takes 2 MB of headers.
  package init(_ limits: PlainHTTPLimits) {
    self.init()
    self.maxHeaderListSize = limits.headerBytes
    self.maxHeaderFieldCount = limits.headerFields
  }
}
