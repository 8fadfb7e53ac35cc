import BackendAPI
import Messaging
import ServiceLifecycle

/// Messaging, and beside it the API for backends where that is switched on: both share the
/// clients of Redis.
struct MessagingWithAPI: Service {
  let messaging: MessagingService
  let api: BackendAPIService?

  /// Whether both can serve.
  func isReady() async -> Bool {
    guard await self.messaging.isReady() else { return false }
    return await self.api?.isReady() ?? true
  }

  /// Runs both until the service group shuts down gracefully, or one of them fails.
  func run() async throws {
    guard let api = self.api else { return try await self.messaging.run() }
    // Before messaging joins the others, which would give partitions up to it.
    try await api.listen()
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await api.run() }
      tasks.addTask { try await self.messaging.run() }
      // The first that fails ends the other.
      while try await tasks.next() != nil {}
    }
  }
}
