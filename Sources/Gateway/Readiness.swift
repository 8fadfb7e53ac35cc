import Synchronization

/// Whether the gateway's stream was known to exist at least once, so that pushes reach it.
final class Readiness: Sendable {
  private let exists = Atomic(false)

  var isReady: Bool { self.exists.load(ordering: .relaxed) }

  func streamExists() { self.exists.store(true, ordering: .relaxed) }
}
