import HTTPServer
import NIOCore
import NIOHTTP1

/// Answers the first request of a connection if that is not upgraded, and then closes the connection.
///
/// Closing is deliberate: an upgrade is possible only on a connection's first request, and a proxy
/// that keeps connections would send one on a connection that has served another request before.
final class FirstRequestHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let servesDemoPage: Bool
  private let metrics: GatewayMetrics
  private var head: HTTPRequestHead?
  /// Why an upgrade was refused, known before the request is passed on.
  private var refusal: Refusal?
  private var isAnswered = false
  private var deadline: Scheduled<Void>?

  init(servesDemoPage: Bool, metrics: GatewayMetrics) {
    self.servesDemoPage = servesDemoPage
    self.metrics = metrics
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.closeAfter(milliseconds: GatewayLimits.handshakeMilliseconds, context: context)
  }

  func handlerRemoved(context: ChannelHandlerContext) { self.deadline?.cancel() }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch self.unwrapInboundIn(data) {
    case .head(let head):
      if !self.isAnswered { self.head = head }
    case .body:
      break
    case .end:
      guard !self.isAnswered, let head = self.head else { return }
      do throws(Refusal) {
        if let refusal = self.refusal { throw refusal }
        let response = try PublicRoutes.response(to: head, servesDemoPage: self.servesDemoPage)
        self.answer(response, context: context)
      } catch {
        self.refuse(error, context: context)
      }
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let refusal = error as? Refusal {
      self.refusal = refusal
    } else if let fault = HTTPFault(parsing: error) {
      guard !self.isAnswered else { return }
      self.refuse(Refusal(fault), context: context)
    } else if error is ByteToMessageDecoderError.PayloadTooLargeError {
      // Behind a request it is dropped.
      if self.head == nil, !self.isAnswered {
        self.refuse(Refusal(HTTPFault.headerTooLarge), context: context)
      }
    } else if !(error is ByteToMessageDecoderError) {
      // What comes behind an error of the parser is dropped; anything else is the socket's.
      context.close(promise: nil)
    }
  }

  private func refuse(_ refusal: Refusal, context: ChannelHandlerContext) {
    self.metrics.refused(refusal.code)
    self.answer(refusal.response, context: context)
  }

  private func answer(_ response: PlainHTTPResponse, context: ChannelHandlerContext) {
    self.isAnswered = true
    var headers = HTTPHeaders([
      ("content-type", response.contentType),
      ("content-length", "\(response.body.readableBytes)"),
      ("connection", "close"),
      ("x-content-type-options", "nosniff"),
    ])
    headers.add(contentsOf: response.headers)
    context.write(
      self.wrapOutboundOut(
        .head(HTTPResponseHead(version: .http1_1, status: response.status, headers: headers))),
      promise: nil)
    if self.head?.method != .HEAD {
      context.write(self.wrapOutboundOut(.body(.byteBuffer(response.body))), promise: nil)
    }
    context.writeAndFlush(self.wrapOutboundOut(.end(nil))).assumeIsolated().whenSuccess {
      context.close(mode: .output, promise: nil)
      self.closeAfter(milliseconds: GatewayLimits.lingerMilliseconds, context: context)
    }
  }

  private func closeAfter(milliseconds: Int64, context: ChannelHandlerContext) {
    self.deadline?.cancel()
    let channel = context.channel
    self.deadline = context.eventLoop.scheduleTask(in: .milliseconds(milliseconds)) {
      channel.close(promise: nil)
    }
  }
}
