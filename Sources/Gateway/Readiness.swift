import Synchronization

/// What the whole gateway knows of its own state.
final class Readiness: Sendable {
  private let exists = Atomic(false)
  private let stops = Atomic(false)

  /// Whether the gateway's stream was known to exist at least once, so that pushes reach it.
  var isReady: Bool { self.exists.load(ordering: .relaxed) }

  func streamExists() { self.exists.store(true, ordering: .relaxed) }

  /// Whether the gateway was told to stop: it takes no more connections.
  var isStopping: Bool { self.stops.load(ordering: .relaxed) }

  func stop() { self.stops.store(true, ordering: .relaxed) }
}
