import Logging
import MessageBus
import Metrics
import NIOCore
import Redis

/// The work of a partition's owner without a lease: its caller says who may own the partition.
///
/// So the cost of storing and pushing can be counted. All else is as in ``MessagingService``.
package struct BarePartition: Sendable {
  private let worker: PartitionWorker

  /// To be preferred by the task that calls ``run()``.
  package var executor: EventLoopExecutor { self.worker.executor }

  /// On the event loop.
  ///
  /// - Parameters:
  ///   - clients: makes the client for everything that does not block, and then the one that reads.
  ///   - factory: makes what it counts in.
  package init(
    _ partition: Partition, configuration: MessagingConfiguration, eventLoop: any EventLoop,
    clients: any RedisClientFactory, metrics factory: any MetricsFactory, logger: Logger
  ) {
    let client = clients.makeClient(on: eventLoop)
    self.worker = PartitionWorker(
      partition: partition, configuration: configuration,
      consumer: GroupConsumer(
        stream: configuration.keys.incoming(partition), family: "messaging",
        instance: configuration.id, reader: clients.makeBusClient(on: eventLoop), client: client,
        logger: logger),
      client: client, writer: client, created: CreatedStreams(on: eventLoop, logger: logger),
      metrics: MessagingMetrics(factory: factory), logger: logger)
  }

  /// Reads, stores and pushes, until its task is cancelled and its reader fails.
  package func run() async { _ = await self.worker.run() }
}
