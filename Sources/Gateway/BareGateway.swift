import ConnectProtocol
import Logging
import MessageBus
import Metrics
import NIOCore
import Redis

/// A gateway of one event loop without a listener, a heartbeat, presence and the watch of its backlog: its caller
/// brings the channels, which need no network.
///
/// So the cost of a connection's frames and of deliveries can be counted: what handles them is the same as in
/// ``GatewayService``.
package final class BareGateway: Sendable {
  private let loop: GatewayLoop
  private let readiness = Readiness()
  private let deliveries: DeliveryConsumer

  /// To be preferred by the task that calls ``deliver()``.
  package var executor: EventLoopExecutor { self.deliveries.executor }

  /// On the event loop.
  ///
  /// - Parameters:
  ///   - clients: makes the client of the event loop, and then the one that waits for deliveries.
  ///   - factory: makes what it counts in.
  package init(
    configuration: GatewayConfiguration, eventLoop: any EventLoop, clients: any RedisClientFactory,
    metrics factory: any MetricsFactory, logger: Logger
  ) {
    let directory = ConnectionDirectory()
    let busClock = BusClock()
    let metrics = GatewayMetrics(factory: factory)
    self.loop = GatewayLoop(
      eventLoop: eventLoop, configuration: configuration, directory: directory,
      readiness: self.readiness,
      backlog: Backlog(keys: configuration.keys, limit: configuration.backlogEntries),
      busClock: busClock, presence: nil, clients: clients, metrics: metrics, logger: logger)
    self.deliveries = DeliveryConsumer(
      loops: [self.loop], directory: directory, busClock: busClock, metrics: metrics,
      consumer: GroupConsumer(
        stream: configuration.keys.outgoing(configuration.id), family: "gateway",
        instance: configuration.id, reader: clients.makeBusClient(on: eventLoop),
        client: self.loop.client, timeToLiveSeconds: BusLimits.gatewayTimeToLiveSeconds,
        logger: logger))
  }

  /// Serves a channel whose upgrade to a WebSocket is done. On the event loop.
  package func serve(_ channel: any Channel, user: UserName, device: DeviceName) throws {
    try channel.pipeline.syncOperations.addHandler(
      ConnectionHandler(
        loop: self.loop, user: user, device: device, since: nil, positions: nil,
        tokenExpires: .infinity))
  }

  /// Hands over what comes on the gateway's stream, until its task is cancelled and its reader fails.
  package func deliver() async { await self.deliveries.run { self.readiness.streamExists() } }
}
