import Logging
import ServiceLifecycle

/// A service that runs until it is stopped, as the program runs it.
package final class RunningService: Sendable {
  private let group: ServiceGroup
  private let task: Task<Void, any Error>

  init(_ service: any Service, logger: Logger) {
    let group = ServiceGroup(services: [service], logger: logger)
    self.group = group
    self.task = Task { try await group.run() }
  }

  /// Stops the service as SIGTERM does, and waits until it has ended.
  package func stop() async throws {
    await self.beginStop()
    try await self.task.value
  }

  /// Begins to stop the service, and does not wait.
  package func beginStop() async { await self.group.triggerGracefulShutdown() }

  /// Cancels the service's task, and waits until it has ended.
  package func cancel() async {
    self.task.cancel()
    _ = await self.task.result
  }

  /// Waits until the service has ended by itself.
  ///
  /// - Throws: why it ended, if it failed.
  package func waitForEnd() async throws { try await self.task.value }
}
