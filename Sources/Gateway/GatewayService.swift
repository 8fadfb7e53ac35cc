import ConnectProtocol
import Logging
import MessageBus
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import PlainHTTP
import Redis
import ServiceLifecycle

/// One gateway instance, as a service: it runs until it is told to stop, then says goodbye to its
/// clients, stores their cursors and leaves the registry.
public final class GatewayService: Service {
  private let configuration: GatewayConfiguration
  private let authenticator: Authenticator
  private let loops: [GatewayLoop]
  private let directory = ConnectionDirectory()
  private let reader: any RedisClient
  private let group: any EventLoopGroup
  private let logger: Logger
  private let readiness = Readiness()
  private let listening = NIOLockedValueBox<SocketAddress?>(nil)

  /// - Parameters:
  ///   - clients: makes the ways to Redis: one per event loop, and one that waits for deliveries.
  ///   - group: the event loops; the caller shuts them down after the service has ended.
  public init(
    configuration: GatewayConfiguration, authenticator: Authenticator,
    clients: any RedisClientFactory, group: any EventLoopGroup, logger: Logger
  ) async throws {
    var logger = logger
    logger[metadataKey: "gateway"] = "\(configuration.id)"
    self.configuration = configuration
    self.authenticator = authenticator
    self.group = group
    self.logger = logger
    var loops: [GatewayLoop] = []
    for eventLoop in group.makeIterator() {
      loops.append(
        try await eventLoop.submit { [directory, readiness, logger] in
          GatewayLoop(
            eventLoop: eventLoop, configuration: configuration, directory: directory,
            readiness: readiness, clients: clients, logger: logger)
        }.get())
    }
    self.loops = loops
    self.reader = clients.makeClient(on: loops[0].eventLoop)
  }

  /// Whether clients can be served: connected to the bus, and not stopping.
  public func isReady() async -> Bool {
    guard self.readiness.isReady else { return false }
    for loop in self.loops {
      let isReady = try? await loop.eventLoop.submit { !loop.isDraining && loop.client.isReady }
        .get()
      guard isReady == true else { return false }
    }
    return true
  }

  /// Where apps connect; nil before the service listens.
  public var address: SocketAddress? { self.listening.withLockedValue { $0 } }

  /// Serves until the service group shuts down gracefully.
  ///
  /// - Throws: when the port cannot be listened on.
  public func run() async throws {
    let listener: any Channel
    do {
      listener = try await self.listen()
    } catch {
      throw CannotListen(host: self.configuration.host, port: self.configuration.port, error)
    }
    self.listening.withLockedValue { $0 = listener.localAddress }
    self.logger.notice(
      "gateway.listening", metadata: ["address": "\(listener.localAddress.map { "\($0)" } ?? "-")"])
    let consumer = DeliveryConsumer(
      loops: self.loops, directory: self.directory, reader: self.reader, logger: self.logger)

    await withTaskGroup(of: Void.self) { tasks in
      tasks.addTask { await consumer.run { self.readiness.streamExists() } }
      tasks.addTask { await self.heartbeat() }
      try? await gracefulShutdown()
      self.logger.notice("gateway.stopping")
      try? await listener.close()
      await self.drain()
      tasks.cancelAll()
      try? await self.reader.close().get()
    }
    await self.leave()
    self.logger.notice("gateway.stopped")
  }

  private func listen() async throws -> any Channel {
    let byEventLoop = Dictionary(
      uniqueKeysWithValues: self.loops.map { (ObjectIdentifier($0.eventLoop), $0) })
    let authenticator = self.authenticator
    return try await ServerBootstrap(group: self.group)
      .serverChannelOption(.backlog, value: GatewayLimits.listenBacklog)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelOption(
        .recvAllocator,
        value: AdaptiveRecvByteBufferAllocator(
          minimum: GatewayLimits.receiveBufferMinimumBytes,
          initial: GatewayLimits.receiveBufferInitialBytes,
          maximum: GatewayLimits.receiveBufferMaximumBytes)
      )
      .childChannelOption(
        .writeBufferWaterMark,
        value: ChannelOptions.Types.WriteBufferWaterMark(
          low: GatewayLimits.writeBufferLowBytes, high: GatewayLimits.writeBufferHighBytes)
      )
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          guard let loop = byEventLoop[ObjectIdentifier(channel.eventLoop)] else {
            preconditionFailure("a connection on an event loop that is not the gateway's")
          }
          try Self.configure(channel, loop: loop, authenticator: authenticator)
        }
      }
      .bind(host: self.configuration.host, port: self.configuration.port)
      .get()
  }

  /// HTTP, until the first request is upgraded or answered.
  private static func configure(
    _ channel: any Channel, loop: GatewayLoop, authenticator: Authenticator
  ) throws {
    var limits = PlainHTTPLimits()
    limits.headerBytes = GatewayLimits.httpHeaderBytes
    limits.headerFields = GatewayLimits.httpHeaderFields
    limits.requestMilliseconds = GatewayLimits.handshakeMilliseconds
    let servesDemoPage = loop.configuration.servesDemoPage
    let http = PlainHTTPHandler(
      limits: limits, answerToError: { ($0 as? Refusal)?.response }
    ) { head, eventLoop in
      eventLoop.makeSucceededFuture(
        PublicRoutes.response(to: head, servesDemoPage: servesDemoPage))
    }
    let pipeline = channel.pipeline.syncOperations
    let upgrader = ConnectUpgrader(loop: loop, authenticator: authenticator) { context in
      context.pipeline.syncOperations.removeHandler(http, promise: nil)
    }
    try pipeline.configureHTTPServerPipeline(
      withServerUpgrade: (upgraders: [upgrader], completionHandler: { _ in }),
      withEncoderConfiguration: HTTPResponseEncoder.Configuration(),
      withDecoderLimitConfiguration: NIOHTTPDecoderLimitConfiguration(limits))
    try pipeline.addHandler(http)
  }

  // MARK: The heartbeat

  /// Keeps the gateway's stream alive, which is what makes it alive for messaging.
  ///
  /// EXPIRE works even while Redis is out of memory; what the hash says may then be old.
  private func heartbeat() async {
    let keys = self.configuration.keys
    let id = self.configuration.id
    let seconds = "\(BusLimits.gatewayTimeToLiveSeconds)"
    while !Task.isCancelled {
      var batch = RedisBatch()
      let stream = keys.outgoing(id)
      let hash = keys.gateway(id)
      batch.append(key: stream, "EXPIRE", "\(stream)", seconds)
      batch.append(
        key: hash, "HSET", "\(hash)", "address",
        "\(self.configuration.host):\(self.configuration.port)", "connections",
        "\(self.directory.count)")
      batch.append(key: hash, "EXPIRE", "\(hash)", seconds)
      _ = await self.loops[0].client.execute(batch)
      try? await Task.sleep(for: .seconds(BusLimits.gatewayHeartbeatSeconds))
    }
  }

  // MARK: Stopping

  /// Tells clients to go, and waits until they have gone or the time for that is over.
  private func drain() async {
    for loop in self.loops { loop.eventLoop.execute { loop.drain() } }
    let deadline = NIODeadline.now() + .milliseconds(GatewayLimits.closeMilliseconds + 500)
    while NIODeadline.now() < deadline {
      var left = 0
      for loop in self.loops {
        left += (try? await loop.eventLoop.submit { loop.connectionCount }.get()) ?? 0
      }
      if left == 0 { return }
      try? await Task.sleep(for: .milliseconds(10))
    }
  }

  private func leave() async {
    var batch = RedisBatch()
    let stream = self.configuration.keys.outgoing(self.configuration.id)
    let hash = self.configuration.keys.gateway(self.configuration.id)
    batch.append(key: stream, "DEL", "\(stream)")
    batch.append(key: hash, "DEL", "\(hash)")
    // Best effort: what stays expires by itself.
    _ = await self.loops[0].client.execute(batch)
    for loop in self.loops {
      try? await loop.eventLoop.flatSubmit { loop.close() }.get()
    }
  }
}
