import NIOConcurrencyHelpers
import ServiceLifecycle

/// A service that can start only when Redis is there and is the right one.
///
/// The wait is part of its run, so that the management port answers meanwhile: alive, not ready.
final class AfterRedis<Inner: Service>: Service {
  private let check: @Sendable () async throws -> Void
  private let make: @Sendable () async throws -> Inner
  private let inner = NIOLockedValueBox<Inner?>(nil)

  /// - Parameters:
  ///   - check: waits for Redis; throws when that is over.
  ///   - make: makes the service then.
  init(
    check: @escaping @Sendable () async throws -> Void,
    make: @escaping @Sendable () async throws -> Inner
  ) {
    self.check = check
    self.make = make
  }

  /// The service, once it was made.
  var service: Inner? { self.inner.withLockedValue { $0 } }

  func run() async throws {
    let check = self.check
    do {
      try await cancelWhenGracefulShutdown { try await check() }
    } catch {
      // Stopped while it waited: that is no failure.
      if Task.isShuttingDownGracefully || Task.isCancelled { return }
      throw error
    }
    if Task.isShuttingDownGracefully { return }
    let inner = try await self.make()
    self.inner.withLockedValue { $0 = inner }
    try await inner.run()
  }
}
