import ConnectProtocol
import HTTPServer
import Listening
import Logging
import MessageBus
import Metrics
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import Redis
import ServiceLifecycle

/// One gateway instance, as a service: it runs until it is told to stop, then says goodbye to its
/// clients, stores their cursors and leaves the registry.
package final class GatewayService: Service {
  private let configuration: GatewayConfiguration
  private let authenticator: Authenticator
  let loops: [GatewayLoop]
  let directory = ConnectionDirectory()
  private let deliveries: DeliveryConsumer
  private let group: any EventLoopGroup
  private let logger: Logger
  private let readiness = Readiness()
  private let backlog: Backlog
  private let busClock = BusClock()
  private let metrics: GatewayMetrics
  private let metricsFactory: any MetricsFactory
  private let listening = NIOLockedValueBox<SocketAddress?>(nil)

  /// - Parameters:
  ///   - clients: makes the clients of Redis: one per event loop, and one that waits for deliveries.
  ///   - group: the event loops; the caller shuts them down after the service has ended.
  ///   - metrics: makes what it counts in.
  package init(
    configuration: GatewayConfiguration, authenticator: Authenticator,
    clients: any RedisClientFactory, group: any EventLoopGroup,
    metrics factory: any MetricsFactory = MetricsSystem.factory, logger: Logger
  ) async throws {
    var logger = logger
    logger[metadataKey: "gateway"] = "\(configuration.id)"
    let backlog = Backlog(keys: configuration.keys, limit: configuration.backlogEntries)
    self.configuration = configuration
    self.authenticator = authenticator
    let metrics = GatewayMetrics(factory: factory)
    self.metricsFactory = factory
    self.backlog = backlog
    self.metrics = metrics
    self.group = group
    self.logger = logger
    var loops: [GatewayLoop] = []
    for eventLoop in group.makeIterator() {
      let presence = loops.first?.presence
      loops.append(
        try await eventLoop.submit { [directory, readiness, busClock, logger] in
          GatewayLoop(
            eventLoop: eventLoop, configuration: configuration, directory: directory,
            readiness: readiness, backlog: backlog, busClock: busClock, presence: presence,
            clients: clients, metrics: metrics, logger: logger)
        }.get())
    }
    self.loops = loops
    self.deliveries = DeliveryConsumer(
      loops: loops, directory: self.directory, busClock: self.busClock, metrics: metrics,
      consumer: GroupConsumer(
        stream: configuration.keys.outgoing(configuration.id), family: "gateway",
        instance: configuration.id, reader: clients.makeBusClient(on: loops[0].eventLoop),
        client: loops[0].client, timeToLiveSeconds: BusLimits.gatewayTimeToLiveSeconds,
        logger: logger))
  }

  /// Whether it can serve clients: connected to the bus, and not stopping.
  package func isReady() async -> Bool {
    guard self.readiness.isReady, !self.readiness.isStopping else { return false }
    for loop in self.loops {
      guard (try? await loop.eventLoop.submit { loop.isConnected }.get()) == true else {
        return false
      }
    }
    return true
  }

  /// Address for apps; nil before the service listens.
  package var address: SocketAddress? { self.listening.withLockedValue { $0 } }

  /// Serves until the service group shuts down gracefully.
  ///
  /// - Throws: when the port cannot be listened on.
  package func run() async throws {
    let listener: any Channel
    do {
      listener = try await self.listen()
    } catch {
      throw CannotListen(host: self.configuration.host, port: self.configuration.port, error)
    }
    self.listening.withLockedValue { $0 = listener.localAddress }
    self.logger.notice(
      "gateway.listening", metadata: ["address": "\(listener.localAddress.map { "\($0)" } ?? "-")"])
    await withTaskGroup(of: Void.self) { tasks in
      tasks.addTask(executorPreference: self.deliveries.executor) {
        await self.deliveries.run { self.readiness.streamExists() }
      }
      tasks.addTask { await self.heartbeat() }
      tasks.addTask { await self.watchBacklog() }
      try? await gracefulShutdown()
      self.readiness.stop()
      self.logger.notice(
        "gateway.stopping", metadata: ["connections": "\(self.directory.count)"])
      try? await listener.close()
      await self.drain()
      tasks.cancelAll()
      await self.deliveries.stop()
    }
    await self.leave()
    self.logger.notice("gateway.stopped")
  }

  private func listen() async throws -> any Channel {
    let byEventLoop = Dictionary(
      uniqueKeysWithValues: self.loops.map { (ObjectIdentifier($0.eventLoop), $0) })
    let authenticator = self.authenticator
    let bounds = ListenerBounds(
      name: "gateway",
      sockets: self.configuration.maximumConnections + GatewayLimits.openingSockets,
      shared: self.configuration.socketBudget,
      sendBufferBytes: GatewayLimits.sendBufferBytes,
      receiveBufferBytes: GatewayLimits.receiveBufferBytes)
    return try await ServerBootstrap(group: self.group)
      .bounded(by: bounds, logger: self.logger, metrics: self.metricsFactory)
      .serverChannelOption(.backlog, value: GatewayLimits.listenBacklog)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          guard let loop = byEventLoop[ObjectIdentifier(channel.eventLoop)] else {
            preconditionFailure("a connection on an event loop that is not the gateway's")
          }
          try Self.setOptions(of: channel)
          let decoder = Self.requestDecoder()
          let opening = OpeningHandler(
            loop: loop, authenticator: authenticator, decoder: decoder)
          try channel.pipeline.syncOperations.addHandlers([decoder, opening])
        }
      }
      .bind(host: self.configuration.host, port: self.configuration.port)
      .get()
  }

  /// `TCP_NODELAY` is inherited from the listener, for which NIO sets it.
  ///
  /// Not by the bootstrap, which makes a chain of futures for each connection of them.
  private static func setOptions(of channel: any Channel) throws {
    guard let options = channel.syncOptions else {
      preconditionFailure("a socket whose options cannot be set at once")
    }
    try options.setOption(.maxMessagesPerRead, value: GatewayLimits.readsPerTurn)
    try options.setOption(.recvAllocator, value: ReceiveBuffers())
    try options.setOption(
      .writeBufferWaterMark,
      value: ChannelOptions.Types.WriteBufferWaterMark(
        low: GatewayLimits.writeBufferLowBytes, high: GatewayLimits.writeBufferHighBytes))
  }

  /// What comes behind a request that is to be upgraded is kept for whoever takes frames: no more than one
  /// read of the socket brings. Behind one that is refused, more ends the decoding. So does a header whose white space
  /// the parser does not count.
  static func requestDecoder() -> ByteToMessageHandler<HTTPRequestDecoder> {
    ByteToMessageHandler(
      HTTPRequestDecoder(
        leftOverBytesStrategy: .forwardBytes,
        limitConfiguration: NIOHTTPDecoderLimitConfiguration(
          headerBytes: GatewayLimits.httpHeaderBytes,
          headerFields: GatewayLimits.httpHeaderFields)),
      maximumBufferSize: GatewayLimits.readBytes)
  }

  // MARK: The bus

  private var registry: GatewayRegistry {
    GatewayRegistry(
      keys: self.configuration.keys, id: self.configuration.id, client: self.loops[0].client)
  }

  /// Keeps the gateway's stream alive, which is what makes it alive for messaging, and cleans up after
  /// gateways that died.
  private func heartbeat() async {
    let address =
      self.address.flatMap { address in
        address.port.map { "\(self.configuration.host):\($0)" }
      } ?? "-"
    while !Task.isCancelled {
      let time = await self.registry.beat(
        GatewayRegistry.Heartbeat(
          address: address, connections: self.directory.count,
          startedMilliseconds: self.directory.startedMilliseconds, version: ConnectVersion.text))
      if let time { self.busClock.heard(time) }
      do throws(RedisError) {
        try await self.registry.sweep()
      } catch {
        // An outage is reported by the client; the next sweep comes soon.
        self.logger.debug("gateway.sweep_failed", metadata: ["error": "\(error)"])
      }
      // At the start the connection to Redis is still being opened.
      try? await Task.sleep(for: .seconds(time != nil ? BusLimits.gatewayHeartbeatSeconds : 1))
    }
  }

  private func watchBacklog() async {
    var known = 0
    while !Task.isCancelled {
      if let found = try? await self.backlog.look(with: self.loops[0].client) {
        let full = found.full
        self.metrics.backlog.set(found.longest)
        if (full > 0) != (known > 0) {
          self.logger.log(
            level: full > 0 ? .warning : .notice,
            full > 0 ? "gateway.backlog_full" : "gateway.backlog_over",
            metadata: ["partitions": "\(full)", "limit": "\(self.configuration.backlogEntries)"])
        }
        known = full
      }
      try? await Task.sleep(for: .milliseconds(BusLimits.backlogMilliseconds))
    }
  }

  // MARK: Stopping

  /// Tells clients to go, and waits until they have gone or the time for that is over. When the task
  /// is cancelled, they go at once.
  private func drain() async {
    let seconds = self.configuration.drainSeconds
    let plan = DrainPlan(self.configuration, seconds: seconds, loops: self.loops.count)
    for loop in self.loops { loop.eventLoop.execute { loop.drain(plan) } }
    let eventLoop = self.loops[0].eventLoop
    let over = eventLoop.makePromise(of: Void.self)
    EventLoopFuture.andAllComplete(
      self.loops.map { loop in loop.eventLoop.flatSubmit { loop.whenEmpty() } }, on: eventLoop
    ).cascade(to: over)
    let deadline = eventLoop.scheduleTask(in: .seconds(Int64(seconds)) + Self.slack) {
      over.succeed()
    }
    await withTaskCancellationHandler {
      try? await over.futureResult.get()
    } onCancel: {
      for loop in self.loops { loop.eventLoop.execute { loop.hurry() } }
      eventLoop.scheduleTask(in: Self.slack) { over.succeed() }
    }
    deadline.cancel()
    for loop in self.loops {
      try? await loop.eventLoop.submit { loop.abandonConnections() }.get()
    }
  }

  /// Time for the closing itself where none is left.
  private static let slack = TimeAmount.milliseconds(500)

  private func leave() async {
    await self.registry.leave()
    for loop in self.loops {
      try? await loop.eventLoop.flatSubmit { loop.close() }.get()
    }
  }
}
