import Logging
import MessageBus
import NIOCore
import Redis
import ServiceLifecycle
import Synchronization

/// # Messaging
///
/// Takes what gateways publish, stores it in the recipients' mailboxes in order and once, and pushes
/// it to the gateways that hold their devices. It holds no state.

/// One messaging instance, as a service. In this release it owns all partitions, and there is one.
public final class MessagingService: Service {
  private let workers: [PartitionWorker]
  private let readers: [any RedisClient]
  private let clients: [any RedisClient]
  private let logger: Logger
  private let isStopping = Atomic(false)

  /// - Parameters:
  ///   - clients: makes the ways to Redis: one per event loop, and one per partition that waits.
  ///   - group: the event loops; the caller shuts them down after the service has ended.
  public init(
    keys: Keys, clients: any RedisClientFactory, group: any EventLoopGroup, logger: Logger
  ) {
    let shared = group.makeIterator().map { clients.makeClient(on: $0) }
    var workers: [PartitionWorker] = []
    var readers: [any RedisClient] = []
    for partition in keys.partitions.all {
      let client = shared[partition.number % shared.count]
      let reader = clients.makeClient(on: client.eventLoop)
      readers.append(reader)
      workers.append(
        PartitionWorker(
          partition: partition, keys: keys, reader: reader, client: client, logger: logger))
    }
    self.workers = workers
    self.readers = readers
    self.clients = shared
    self.logger = logger
  }

  /// Whether messages can be processed: connected to the bus, and not stopping.
  public func isReady() async -> Bool {
    guard !self.isStopping.load(ordering: .relaxed) else { return false }
    for client in self.clients + self.readers {
      guard (try? await client.eventLoop.submit { client.isReady }.get()) == true else {
        return false
      }
    }
    return true
  }

  /// Processes until the service group shuts down gracefully; what is under way is finished.
  public func run() async throws {
    self.logger.notice("messaging.started", metadata: ["partitions": "\(self.workers.count)"])
    await withTaskGroup(of: Void.self) { tasks in
      for worker in self.workers { tasks.addTask { await worker.run() } }
      try? await gracefulShutdown()
      self.isStopping.store(true, ordering: .relaxed)
      self.logger.notice("messaging.stopping")
      tasks.cancelAll()
      for reader in self.readers { try? await reader.close().get() }
    }
    for client in self.clients { try? await client.close().get() }
    self.logger.notice("messaging.stopped")
  }
}
