import Redis

/// How many copies of a message must exist before its sender is told that it is accepted, and before
/// messaging is done with it.
package enum Durability: Sendable, Hashable, CustomStringConvertible {
  /// As durable as Redis itself makes a write before it answers: see its append-only file.
  case accepted
  /// Beside that, so many replicas must have confirmed it, which is what `WAIT` asks them. It narrows
  /// the window in which a failover loses what was accepted, and does not close it: Redis may promote
  /// a replica that had not confirmed.
  case replicated(Int)

  /// The most replicas that can be demanded: as many as a primary of ElastiCache has.
  package static let maximumReplicas = 5
  /// Form of a setting, for error messages.
  package static let form = "accepted, or replicated:N with N from 1 to \(Self.maximumReplicas)"

  /// Nil if `text` is not of ``form``.
  package init?(_ text: String) {
    let prefix = "replicated:"
    if text == "accepted" {
      self = .accepted
    } else if text.hasPrefix(prefix), let replicas = Int(text.dropFirst(prefix.count)),
      (1...Self.maximumReplicas).contains(replicas), "\(prefix)\(replicas)" == text
    {
      self = .replicated(replicas)
    } else {
      return nil
    }
  }

  /// The form that ``init(_:)`` reads.
  package var description: String {
    switch self {
    case .accepted: "accepted"
    case .replicated(let replicas): "replicated:\(replicas)"
    }
  }

  /// Replicas that must confirm.
  package var replicas: Int {
    switch self {
    case .accepted: 0
    case .replicated(let replicas): replicas
    }
  }
}

extension Durability {
  /// The confirmation by replicas of each batch that writes messages; nil if none is needed.
  package var confirmation: RedisBatch.Confirmation? {
    guard self.replicas > 0 else { return nil }
    return RedisBatch.Confirmation(
      replicas: self.replicas, milliseconds: BusLimits.replicationMilliseconds)
  }

  /// A batch whose writes the replicas must have, too.
  package func batch() -> RedisBatch {
    var batch = RedisBatch()
    batch.confirmation = self.confirmation
    return batch
  }
}
