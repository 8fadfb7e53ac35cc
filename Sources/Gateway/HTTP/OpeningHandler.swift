import ConnectProtocol
import HTTPServer
import NIOCore
import NIOHTTP1

/// Makes a connection a WebSocket by its first request, once everything about that has been checked; or answers it,
/// and then closes the connection.
///
/// Closing is deliberate: an upgrade is possible only on a connection's first request, and a proxy
/// that keeps connections would send one on a connection that has served another request before.
///
/// It stands behind the decoder of HTTP alone, instead of NIO's handlers for upgrades.
///
/// Bound to its channel's event loop.
final class OpeningHandler: ChannelInboundHandler, RemovableChannelHandler {
  /// Parts of a request, or bytes that the decoder gives back.
  typealias InboundIn = Any

  private enum State {
    /// The request has not come whole. May become `.upgrading` or `.answered`.
    case opening(HTTPRequestHead?)
    /// The decoder is being removed; `behind` is what came right behind the request. Final.
    case upgrading(behind: NIOAny?)
    /// The request was answered, and the client is to end the connection. Final.
    case answered
  }

  private let loop: GatewayLoop
  private let authenticator: Authenticator
  private let decoder: ByteToMessageHandler<HTTPRequestDecoder>
  private var state = State.opening(nil)
  private var asksForWebSocket = false
  private var deadline: Scheduled<Void>?

  init(
    loop: GatewayLoop, authenticator: Authenticator,
    decoder: ByteToMessageHandler<HTTPRequestDecoder>
  ) {
    self.loop = loop
    self.authenticator = authenticator
    self.decoder = decoder
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.closeAfter(milliseconds: GatewayLimits.handshakeMilliseconds, context: context)
  }

  func handlerRemoved(context: ChannelHandlerContext) { self.deadline?.cancel() }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if let part = self.unwrapInboundIn(data) as? HTTPServerRequestPart {
      self.received(part, context: context)
    } else if case .upgrading = self.state {
      self.state = .upgrading(behind: data)
    }
  }

  private func received(_ part: HTTPServerRequestPart, context: ChannelHandlerContext) {
    // Nothing is served behind the first request.
    guard case .opening(let head) = self.state else { return }
    switch part {
    case .head(var head):
      self.asksForWebSocket = head.headers.askForWebSocket
      head.headers.stripOptionalWhitespace()
      self.state = .opening(head)
    case .body: break
    case .end:
      guard let head else { return }
      do throws(Refusal) {
        try self.serve(head, context: context)
      } catch {
        self.refuse(error, context: context)
      }
    }
  }

  private func serve(_ head: HTTPRequestHead, context: ChannelHandlerContext) throws(Refusal) {
    guard self.asksForWebSocket else {
      let response = try PublicRoutes.response(
        to: head, servesDemoPage: self.loop.configuration.servesDemoPage)
      return self.answer(response, context: context)
    }
    guard RequestTarget.split(head.uri).path == ConnectRequest.path else {
      throw Refusal(.notFound, "no such path; connect to \(ConnectRequest.path)")
    }
    let request = try ConnectRequest(head, allowedOrigins: self.loop.configuration.allowedOrigins)
    try self.loop.admit()
    self.loop.metrics.tokenChecks.increment()
    let identity = try self.authenticator.identity(of: request.token)
    self.upgrade(request, as: identity, context: context)
  }

  /// The decoder goes first: it must not parse frames. From the request until then the socket is read on, so nothing
  /// may be waited for in between: more than ``GatewayService/requestDecoder()`` keeps would be lost.
  private func upgrade(
    _ request: ConnectRequest, as identity: Authenticator.Identity, context: ChannelHandlerContext
  ) {
    self.state = .upgrading(behind: nil)
    let pipeline = context.pipeline.syncOperations
    pipeline.removeHandler(self.decoder).assumeIsolated().whenSuccess {
      context.writeAndFlush(NIOAny(request.acceptance), promise: nil)
      // Its end may have come right behind the request. Nothing is registered then.
      guard context.channel.isActive else { return }
      let connection = ConnectionHandler(
        loop: self.loop, user: identity.user, device: request.device, since: request.since,
        positions: request.positions, tokenExpires: identity.expires)
      // Fails only when the channel is closed.
      try? pipeline.addHandler(connection, position: .after(self))
      if case .upgrading(let bytes?) = self.state { context.fireChannelRead(bytes) }
      pipeline.removeHandler(context: context, promise: nil)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let fault = HTTPFault(parsing: error) {
      guard case .opening = self.state else { return }
      self.refuse(Refusal(fault), context: context)
    } else if error is ByteToMessageDecoderError.PayloadTooLargeError {
      // Behind a request it is dropped.
      guard case .opening(nil) = self.state else { return }
      self.refuse(Refusal(HTTPFault.headerTooLarge), context: context)
    } else if !(error is ByteToMessageDecoderError) {
      // What comes behind an error of the parser is dropped; anything else is the socket's.
      context.close(promise: nil)
    }
  }

  // MARK: Answers

  private func refuse(_ refusal: Refusal, context: ChannelHandlerContext) {
    self.loop.metrics.refused(refusal.code)
    self.answer(refusal.response, context: context)
  }

  private func answer(_ response: PlainHTTPResponse, context: ChannelHandlerContext) {
    var hasBody = true
    if case .opening(let head?) = self.state { hasBody = head.method != .HEAD }
    self.state = .answered
    // Fails only when the channel is closed.
    try? context.pipeline.syncOperations.addHandler(
      HTTPResponseEncoder(), position: .before(self))
    var headers = HTTPHeaders([
      ("content-type", response.contentType),
      ("content-length", "\(response.body.readableBytes)"),
      ("connection", "close"),
      ("x-content-type-options", "nosniff"),
    ])
    headers.add(contentsOf: response.headers)
    let head = HTTPResponseHead(version: .http1_1, status: response.status, headers: headers)
    var parts = [HTTPServerResponsePart.head(head)]
    if hasBody { parts.append(.body(.byteBuffer(response.body))) }
    for part in parts { context.write(NIOAny(part), promise: nil) }
    context.writeAndFlush(NIOAny(HTTPServerResponsePart.end(nil))).assumeIsolated().whenSuccess {
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
