import ConnectProtocol
import NIOCore
import NIOHTTP1
import NIOPosix
import SocketErrors

#if canImport(Network)
  import NIOTransportServices
  import Network
#endif

extension ConnectClientConnection {
  /// Any of the shared event loops on which the platform's TLS can be had.
  static var standardEventLoop: any EventLoop {
    #if canImport(Network)
      NIOTSEventLoopGroup.singleton.next()
    #else
      MultiThreadedEventLoopGroup.singleton.next()
    #endif
  }

  /// Opens a connection: TCP, TLS if the endpoint asks for it, the upgrade, then `welcome`.
  ///
  /// On `eventLoop` only. Returns at once; whatever happens is told to the delegate, never before
  /// this has returned. An attempt that leads nowhere ends within
  /// ``ConnectClientLimits/openMilliseconds``.
  ///
  /// - Parameters:
  ///   - since: replay from here instead of the device's stored cursor.
  ///   - positions: the stamp above which positions are told; nil for none.
  ///   - frameBytes: the longest message to take.
  ///   - transportSecurity: TLS for `wss://`; nil for that of the platform, if it has one.
  public static func open(
    to endpoint: ConnectEndpoint, token: String, device: DeviceName = .default,
    since: Offset? = nil, positions: UInt64? = nil,
    frameBytes: Int = ConnectClientLimits.frameBytes,
    transportSecurity: ConnectTransportSecurity? = nil,
    on eventLoop: any EventLoop, delegate: any ConnectClientConnectionDelegate
  ) -> ConnectClientConnection {
    let connection = ConnectClientConnection(
      eventLoop: eventLoop, frameBytes: frameBytes, delegate: delegate)
    let security = endpoint.isSecure ? transportSecurity ?? .standard : nil
    let request: UpgradeRequest
    do throws(ConnectionEnd) {
      if endpoint.isSecure, security?.isUsable(on: eventLoop) != true {
        throw .noTransportSecurity
      }
      request = try UpgradeRequest(
        to: endpoint, device: device, since: since, positions: positions, token: token)
    } catch {
      connection.fail(error)
      eventLoop.assumeIsolated().execute { connection.disconnected() }
      return connection
    }

    let bound = NIOLoopBound((connection, request), eventLoop: eventLoop)
    Self.connect(to: endpoint, security, on: eventLoop) { channel in
      channel.eventLoop.makeCompletedFuture {
        let (connection, request) = bound.value
        try security?.configure(channel, endpoint)
        try UpgradeHandler.configure(channel, request: request, connection: connection)
      }
    }
    .assumeIsolated()
    .whenComplete { result in
      switch result {
      case .success(let channel):
        connection.attach(channel)
      case .failure(let error):
        connection.fail(
          ConnectTransportSecurity.end(for: error)
            ?? .unreachable(SocketFailure.reason(of: error)))
        connection.disconnected()
      }
    }
    return connection
  }

  private static func connect(
    to endpoint: ConnectEndpoint, _ security: ConnectTransportSecurity?,
    on eventLoop: any EventLoop,
    _ initialize: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
  ) -> EventLoopFuture<any Channel> {
    let timeout = TimeAmount.milliseconds(ConnectClientLimits.openMilliseconds)
    let waterMark = ChannelOptions.Types.WriteBufferWaterMark(
      low: ConnectClientLimits.writeBufferLowBytes,
      high: ConnectClientLimits.writeBufferHighBytes)
    #if canImport(Network)
      // It sets TCP_NODELAY itself, and has no allocator to be set.
      if var bootstrap = NIOTSConnectionBootstrap(validatingGroup: eventLoop) {
        if case .network? = security?.means {
          bootstrap = bootstrap.tlsOptions(NWProtocolTLS.Options())
        }
        return
          bootstrap
          .connectTimeout(timeout)
          // Without a network an attempt fails at once: a client has a back-off of its own.
          .channelOption(NIOTSChannelOptions.waitForActivity, value: false)
          .channelOption(
            NIOTSChannelOptions.maximumReceiveLength,
            value: ConnectClientLimits.receiveBufferMaximumBytes
          )
          .channelOption(.writeBufferWaterMark, value: waterMark)
          .channelInitializer(initialize)
          .connect(host: endpoint.host, port: endpoint.port)
      }
    #endif
    return ClientBootstrap(group: eventLoop)
      .connectTimeout(timeout)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelOption(
        .recvAllocator,
        value: AdaptiveRecvByteBufferAllocator(
          minimum: ConnectClientLimits.receiveBufferMinimumBytes,
          initial: ConnectClientLimits.receiveBufferInitialBytes,
          maximum: ConnectClientLimits.receiveBufferMaximumBytes)
      )
      .channelOption(.writeBufferWaterMark, value: waterMark)
      .channelInitializer(initialize)
      .connect(host: endpoint.host, port: endpoint.port)
  }
}
