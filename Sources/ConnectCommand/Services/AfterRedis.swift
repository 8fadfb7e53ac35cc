import NIOConcurrencyHelpers
import Redis
import ServiceLifecycle

/// A service that can start only when Redis is there and is the right one.
///
/// The wait is part of its run, so that the management port answers meanwhile: alive, not ready.
final class AfterRedis<Inner: Service>: Service {
  private let connect: @Sendable () async throws -> any RedisClientFactory
  private let make: @Sendable (any RedisClientFactory) async throws -> Inner
  private let inner = NIOLockedValueBox<Inner?>(nil)

  /// - Parameters:
  ///   - connect: waits for Redis; throws when that is over.
  ///   - make: makes the service then.
  init(
    connect: @escaping @Sendable () async throws -> any RedisClientFactory,
    make: @escaping @Sendable (any RedisClientFactory) async throws -> Inner
  ) {
    self.connect = connect
    self.make = make
  }

  /// Nil until it is made.
  var service: Inner? { self.inner.withLockedValue { $0 } }

  func run() async throws {
    let connect = self.connect
    let clients: any RedisClientFactory
    do {
      clients = try await cancelWhenGracefulShutdown { try await connect() }
    } catch {
      // Stopped while it waited, which is not a failure.
      if Task.isShuttingDownGracefully || Task.isCancelled { return }
      throw error
    }
    if Task.isShuttingDownGracefully { return }
    let inner = try await self.make(clients)
    self.inner.withLockedValue { $0 = inner }
    try await inner.run()
  }
}
