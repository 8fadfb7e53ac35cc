import Listening
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix

/// # HTTPServer
///
/// The HTTP that the services speak beside their real work.
///
/// - `Serving/` is the server: requests with bodies, one after the other on a connection.
/// - `Management/` is health and metrics, which it serves.
/// - What lies beside them is also used where a gateway answers instead of an upgrade.

/// A listener with its connections.
package final class HTTPServer: Sendable {
  private struct State {
    var listener: (any Channel)?
    var connections: [ObjectIdentifier: any Channel] = [:]
    var isStopping = false
  }

  private let limits: HTTPServingLimits
  private let serving: any HTTPServing
  private let name: String
  private let logger: Logger
  private let state = NIOLockedValueBox(State())

  /// A server that does not listen yet.
  ///
  /// - Parameter name: what its port is called in logs and metrics.
  package init(
    limits: HTTPServingLimits, serving: any HTTPServing, name: String, logger: Logger
  ) {
    self.limits = limits
    self.serving = serving
    self.name = name
    self.logger = logger
  }

  /// Nil before it listens.
  package var address: SocketAddress? {
    self.state.withLockedValue { $0.listener?.localAddress }
  }

  package var connectionCount: Int { self.state.withLockedValue { $0.connections.count } }

  /// Port 0 takes a free one.
  package func start(
    host: String, port: Int, group: any EventLoopGroup
  ) async throws(CannotListen) {
    let listener: any Channel
    do {
      listener = try await ServerBootstrap(group: group)
        .bounded(
          by: ListenerBounds(
            name: self.name, sockets: self.limits.sockets, shared: self.limits.budget,
            sendBufferBytes: self.limits.kernelBufferBytes,
            receiveBufferBytes: self.limits.kernelBufferBytes), logger: self.logger
        )
        .serverChannelOption(.backlog, value: self.limits.listenBacklog)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        // What one read brings is parsed at once, and waits for its turn.
        .childChannelOption(.maxMessagesPerRead, value: 1)
        .childChannelOption(
          .recvAllocator,
          value: AdaptiveRecvByteBufferAllocator(
            minimum: 512, initial: 2_048, maximum: self.limits.readBytes)
        )
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture { try self.configure(channel) }
        }
        .bind(host: host, port: port)
        .get()
    } catch {
      throw CannotListen(host: host, port: port, error)
    }
    self.state.withLockedValue { $0.listener = listener }
  }

  /// Stops listening, answers the requests that have begun, and then closes the rest.
  package func stop() async {
    let (listener, connections) = self.state.withLockedValue { state in
      state.isStopping = true
      return (state.listener, Array(state.connections.values))
    }
    guard let listener else { return }
    try? await listener.close()
    for channel in connections {
      channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }
    let over = listener.eventLoop.makePromise(of: Void.self)
    EventLoopFuture.andAllComplete(connections.map(\.closeFuture), on: listener.eventLoop)
      .cascade(to: over)
    let deadline = listener.eventLoop.scheduleTask(
      in: .milliseconds(self.limits.stopMilliseconds)
    ) { over.succeed() }
    await withTaskCancellationHandler {
      try? await over.futureResult.get()
    } onCancel: {
      over.succeed()
    }
    deadline.cancel()
    for channel in self.state.withLockedValue({ Array($0.connections.values) }) {
      channel.close(promise: nil)
    }
  }

  private func configure(_ channel: any Channel) throws {
    let count: Int? = self.state.withLockedValue { state in
      let most = self.limits.connections + self.limits.refusedConnections
      guard !state.isStopping, state.connections.count < most else { return nil }
      state.connections[ObjectIdentifier(channel)] = channel
      return state.connections.count
    }
    guard let count else { return channel.close(promise: nil) }
    channel.closeFuture.whenComplete { _ in
      self.state.withLockedValue { $0.connections[ObjectIdentifier(channel)] = nil }
    }
    let handler = HTTPServingHandler(
      limits: self.limits, serving: self.serving, isRefused: count > self.limits.connections)
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandler(HeardHandler(handler))
    // Neither NIO's pipelining nor its answers to errors: the former takes no answer without a
    // request, as to one that comes too slowly, and the latter have no body.
    try pipeline.configureHTTPServerPipeline(
      withPipeliningAssistance: false, withErrorHandling: false,
      withEncoderConfiguration: HTTPResponseEncoder.Configuration(),
      withDecoderLimitConfiguration: NIOHTTPDecoderLimitConfiguration(
        headerBytes: self.limits.headerBytes, headerFields: self.limits.headerFields))
    try pipeline.addHandler(handler)
  }
}

/// Reports the arrival of bytes, which the parser keeps to itself until a head is complete.
private final class HeardHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let handler: HTTPServingHandler

  init(_ handler: HTTPServingHandler) { self.handler = handler }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    self.handler.heard()
    context.fireChannelRead(data)
  }
}
