import Redis

/// How many copies of a message must exist before its sender is told that it is accepted, and before
/// messaging is done with it.
package enum Durability: Sendable, Hashable, CustomStringConvertible {
  /// As many as Redis itself makes before it answers: what its append-only file says.
  case accepted
  /// Beside that, so many replicas must have confirmed it, which is what `WAIT` asks them. It narrows
  /// the window in which a failover loses what was accepted, and does not close it: Redis may promote
  /// a replica that had not confirmed.
  case replicated(Int)

  /// The most replicas that can be asked for: as many as a primary of ElastiCache has.
  package static let maximumReplicas = 5
  /// What a setting looks like, for error messages.
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

  /// As ``init(_:)`` reads it.
  package var description: String {
    switch self {
    case .accepted: "accepted"
    case .replicated(let replicas): "replicated:\(replicas)"
    }
  }

  /// How many replicas must confirm.
  package var replicas: Int {
    switch self {
    case .accepted: 0
    case .replicated(let replicas): replicas
    }
  }
}

extension Durability {
  /// What is asked of the replicas with each batch that writes messages; nil if nothing is.
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
