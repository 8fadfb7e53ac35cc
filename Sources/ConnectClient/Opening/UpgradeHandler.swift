import NIOCore
import NIOHTTP1
import SocketErrors

/// The opening handshake: asks for the upgrade, judges the answer, and leaves the pipeline with HTTP
/// to make room for the frames.
final class UpgradeHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  private let request: UpgradeRequest
  private let connection: ConnectClientConnection
  private let encoder: HTTPRequestEncoder
  private let decoder: ByteToMessageHandler<HTTPResponseDecoder>
  private var answer: UpgradeRequest.Answer?
  private var body: [UInt8] = []

  /// Fills a new channel's pipeline.
  static func configure(
    _ channel: any Channel, request: UpgradeRequest, connection: ConnectClientConnection
  ) throws {
    var limits = NIOHTTPDecoderLimitConfiguration()
    limits.maxHeaderListSize = ConnectClientLimits.httpHeaderBytes
    limits.maxHeaderFieldCount = ConnectClientLimits.httpHeaderFields
    let encoder = HTTPRequestEncoder()
    let decoder = ByteToMessageHandler(
      HTTPResponseDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: limits))
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandlers([
      encoder, decoder,
      UpgradeHandler(
        request: request, connection: connection, encoder: encoder, decoder: decoder),
    ])
  }

  private init(
    request: UpgradeRequest, connection: ConnectClientConnection, encoder: HTTPRequestEncoder,
    decoder: ByteToMessageHandler<HTTPResponseDecoder>
  ) {
    self.request = request
    self.connection = connection
    self.encoder = encoder
    self.decoder = decoder
  }

  func channelActive(context: ChannelHandlerContext) {
    context.write(self.wrapOutboundOut(.head(self.request.head)), promise: nil)
    context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch self.unwrapInboundIn(data) {
    case .head(let head):
      self.answer = self.request.answer(head)
    case .body(let bytes):
      let room = ConnectClientLimits.refusalBodyBytes - self.body.count
      self.body.append(contentsOf: bytes.readableBytesView.prefix(room))
    case .end:
      self.finish(context)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    // A body that ends with the connection, or is cut off, still says what it says.
    if case .refused(let refusal) = self.answer { self.refused(refusal) }
    self.connection.disconnected()
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if error is HTTPParserError {
      self.connection.fail(.notConnect("its answer is not HTTP"))
    } else {
      self.connection.fail(
        ConnectTransportSecurity.end(for: error) ?? .lost(SocketFailure.reason(of: error)))
    }
  }

  private func finish(_ context: ChannelHandlerContext) {
    switch self.answer {
    case .upgraded: self.upgrade(context)
    case .refused(let refusal): self.refused(refusal)
    case .invalid(let why): self.connection.fail(.notConnect(why))
    case nil: break
    }
  }

  private func refused(_ refusal: UpgradeRefusal) {
    var refusal = refusal
    refusal.read(body: self.body)
    self.connection.fail(.refused(refusal))
  }

  /// Puts the frames' handler in first: removing HTTP's decoder passes on what came behind the
  /// response's head.
  private func upgrade(_ context: ChannelHandlerContext) {
    let pipeline = context.pipeline.syncOperations
    do {
      try pipeline.addHandler(
        FrameHandler(connection: self.connection), position: .after(self))
    } catch {
      return self.connection.fail(.lost(SocketFailure.reason(of: error)))
    }
    pipeline.removeHandler(context: context, promise: nil)
    pipeline.removeHandler(self.encoder, promise: nil)
    // While HTTP's decoder is there it looks at writes too, and knows only requests.
    let removed = context.eventLoop.makePromise(of: Void.self)
    removed.futureResult.assumeIsolated().whenComplete { [connection] _ in connection.upgraded() }
    pipeline.removeHandler(self.decoder, promise: removed)
  }
}

/// Hands what the socket brings to the connection.
final class FrameHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let connection: ConnectClientConnection

  init(connection: ConnectClientConnection) { self.connection = connection }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    self.connection.read(self.unwrapInboundIn(data))
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    self.connection.writabilityChanged()
    context.fireChannelWritabilityChanged()
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.connection.disconnected()
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    self.connection.fail(.lost(SocketFailure.reason(of: error)))
  }
}
