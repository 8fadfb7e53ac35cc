import ConnectProtocol
import HTTPServer
import NIOCore
import NIOHTTP1
import NIOWebSocket

/// Turns an HTTP connection into a WebSocket, once everything about the request has been checked.
///
/// The answer's headers are NIO's; of its WebSocket handlers none is used. One handler of our own
/// costs half the memory and a third of the time per message.
///
/// Unchecked: one per connection, on whose event loop everything happens.
final class ConnectUpgrader: HTTPServerProtocolUpgrader, @unchecked Sendable {
  static let protocolName = "websocket"

  let supportedProtocol = ConnectUpgrader.protocolName
  /// NIO then requires it in `Connection` too, as RFC 6455, section 4.2.1, does.
  let requiredUpgradeHeaders = ["upgrade"]

  private let loop: GatewayLoop
  private let authenticator: Authenticator
  private let inner = NIOWebSocketServerUpgrader(
    shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture([:]) },
    upgradePipelineHandler: { channel, _ in channel.eventLoop.makeSucceededVoidFuture() })
  private var handler: ConnectionHandler?
  /// Removes the HTTP handlers that are left in the pipeline.
  private let onUpgrade: (ChannelHandlerContext) -> Void

  init(
    loop: GatewayLoop, authenticator: Authenticator,
    onUpgrade: @escaping (ChannelHandlerContext) -> Void
  ) {
    self.loop = loop
    self.authenticator = authenticator
    self.onUpgrade = onUpgrade
  }

  /// Fails with a ``Refusal``, with which the HTTP handler then answers.
  func buildUpgradeResponse(
    channel: any Channel, upgradeRequest: HTTPRequestHead, initialResponseHeaders: HTTPHeaders
  ) -> EventLoopFuture<HTTPHeaders> {
    let request: ConnectRequest
    let identity: Authenticator.Identity
    do throws(Refusal) {
      guard RequestTarget.split(upgradeRequest.uri).path == ConnectRequest.path else {
        throw Refusal(.notFound, "no such path; connect to \(ConnectRequest.path)")
      }
      request = try ConnectRequest(
        upgradeRequest, allowedOrigins: self.loop.configuration.allowedOrigins)
      try self.loop.admit()
      self.loop.metrics.tokenChecks.increment()
      identity = try self.authenticator.identity(of: request.token)
    } catch {
      return channel.eventLoop.makeFailedFuture(error)
    }

    self.handler = ConnectionHandler(
      loop: self.loop, user: identity.user, device: request.device, since: request.since,
      positions: request.positions, tokenExpires: identity.expires)
    return self.inner.buildUpgradeResponse(
      channel: channel, upgradeRequest: upgradeRequest,
      initialResponseHeaders: initialResponseHeaders
    ).map { (headers) -> HTTPHeaders in
      var headers = headers
      if request.namesSubprotocol {
        headers.replaceOrAdd(name: "sec-websocket-protocol", value: Subprotocol.v1)
      }
      return headers
    }.flatMapErrorThrowing { error in
      guard error is NIOWebSocketUpgradeError else { throw error }
      throw Refusal(
        .malformed, "not a WebSocket upgrade as RFC 6455 has it: version 13 and one key are needed")
    }
  }

  func upgrade(
    context: ChannelHandlerContext, upgradeRequest: HTTPRequestHead
  ) -> EventLoopFuture<Void> {
    context.eventLoop.makeCompletedFuture {
      guard let handler = self.handler else { preconditionFailure("upgraded without a response") }
      self.handler = nil
      self.onUpgrade(context)
      try context.pipeline.syncOperations.addHandler(handler)
    }
  }
}
