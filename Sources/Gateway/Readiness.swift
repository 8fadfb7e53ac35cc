import Synchronization

/// The gateway's own state, across its loops.
final class Readiness: Sendable {
  private let exists = Atomic(false)
  private let stops = Atomic(false)

  /// Whether the gateway's stream is known to have existed, so that pushes reach it.
  var isReady: Bool { self.exists.load(ordering: .relaxed) }

  func streamExists() { self.exists.store(true, ordering: .relaxed) }

  /// Whether the gateway is stopping: it accepts no more connections.
  var isStopping: Bool { self.stops.load(ordering: .relaxed) }

  func stop() { self.stops.store(true, ordering: .relaxed) }
}
