import Logging
import MessageBus
import Metrics
import NIOCore
import Redis
import ServiceLifecycle
import Synchronization

/// # Messaging
///
/// Takes what gateways publish, stores it in the recipients' mailboxes in order and once, and pushes
/// it to the gateways that hold their devices. It holds no state.
///
/// - `Leases/` is which instance owns which partition.
/// - `Partition/` is what an owner does: read, store, push, acknowledge; and what it does with entries
///   that cannot be processed.
/// - `Mailbox/` is how a batch gets into mailboxes, each entry once and in order, and how these stay
///   within their limits.
/// - `Positions/` moves the rows of users' positions forward.
/// - `Scripts/` is Lua, where a comparison must precede a write.

/// One messaging instance, as a service. Instances share the partitions among themselves.
package final class MessagingService: Service {
  private let keeper: LeaseKeeper
  private let clients: [any RedisClient]
  private let keys: Keys
  private let metrics: MessagingMetrics
  private let logger: Logger
  private let isStopping = Atomic(false)

  /// - Parameters:
  ///   - clients: makes the clients of Redis: one per event loop, two where replicas must confirm; one
  ///     per partition that is owned; and one that waits for changes of leases.
  ///   - group: the event loops; the caller shuts them down after the service has ended.
  ///   - fields: names and values that operators see of this instance.
  ///   - metrics: makes what it counts in.
  package init(
    configuration: MessagingConfiguration, clients: any RedisClientFactory,
    group: any EventLoopGroup, fields: [(String, String)] = [],
    metrics factory: any MetricsFactory = MetricsSystem.factory, logger: Logger
  ) {
    let metrics = MessagingMetrics(factory: factory)
    self.metrics = metrics
    self.keys = configuration.keys
    let shared = group.makeIterator().map { clients.makeClient(on: $0) }
    // For what replicas must confirm, since Redis answers nothing behind a `WAIT` meanwhile.
    let writers =
      configuration.durability.replicas > 0
      ? shared.map { clients.makeClient(on: $0.eventLoop) } : shared
    self.clients = configuration.durability.replicas > 0 ? shared + writers : shared
    self.logger = logger
    let created = CreatedStreams(on: shared[0].eventLoop, logger: logger)
    self.keeper = LeaseKeeper(
      configuration: configuration, client: shared[0],
      reader: clients.makeBusClient(on: shared[0].eventLoop),
      fields: fields.isEmpty ? [("id", configuration.id.text)] : fields, metrics: metrics,
      logger: logger
    ) { partition, token in
      let loop = partition.number % shared.count
      let keys = configuration.keys
      var logger = logger
      logger[metadataKey: "partition"] = "\(partition.number)"
      let consumer = GroupConsumer(
        stream: keys.incoming(partition), family: "messaging", instance: token.instance,
        reader: clients.makeBusClient(on: shared[loop].eventLoop), client: shared[loop],
        fence: GroupConsumer.Fence(key: keys.lease(partition), value: "\(token)"), logger: logger)
      return PartitionWorker(
        partition: partition, configuration: configuration, consumer: consumer,
        client: shared[loop], writer: writers[loop], created: created, metrics: metrics,
        logger: logger)
    }
  }

  /// Whether it can process messages: connected to the bus, a member, and not stopping.
  package func isReady() async -> Bool {
    guard !self.isStopping.load(ordering: .relaxed),
      self.keeper.hasJoined.load(ordering: .relaxed)
    else { return false }
    for client in self.clients {
      guard (try? await client.eventLoop.submit { client.isReady }.get()) == true else {
        return false
      }
    }
    return true
  }

  /// Processes until the service group shuts down gracefully; what is under way is finished, and the
  /// partitions are handed over.
  package func run() async throws {
    self.logger.notice("messaging.started")
    await withTaskGroup(of: Void.self) { tasks in
      tasks.addTask(executorPreference: self.keeper.executor) { await self.keeper.run() }
      tasks.addTask {
        var watch = LagWatch(keys: self.keys, client: self.clients[0], metrics: self.metrics)
        await watch.run { await self.keeper.owned }
      }
      try? await gracefulShutdown()
      self.isStopping.store(true, ordering: .relaxed)
      self.logger.notice("messaging.stopping")
      await self.keeper.stop()
      tasks.cancelAll()
      await tasks.waitForAll()
    }
    for client in self.clients { try? await client.close().get() }
    self.logger.notice("messaging.stopped")
  }
}
