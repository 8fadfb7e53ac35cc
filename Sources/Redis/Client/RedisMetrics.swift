import Metrics

/// Metrics of a process's connections to Redis. Made once, shared by all connections.
package final class RedisMetrics: Sendable {
  /// From writing a batch to its last reply. Not of blocking reads, which wait on purpose.
  private let time: Timer
  private let unavailable: Counter
  private let unanswered: Counter
  private let unconfirmed: Counter
  private let oversized: Counter
  private let refused: [Substring: Counter]

  /// - Parameter factory: The one of swift-metrics, or a test's own.
  package init(factory: any MetricsFactory = MetricsSystem.factory) {
    func errors(_ kind: String) -> Counter {
      Counter(label: "connect_redis_errors_total", dimensions: [("kind", kind)], factory: factory)
    }
    self.time = Timer(label: "connect_redis_seconds", dimensions: [], factory: factory)
    self.unavailable = errors("unavailable")
    self.unanswered = errors("unanswered")
    self.unconfirmed = errors("unconfirmed")
    self.oversized = errors("oversized")
    // A closed set: what Redis says is not ours, and each kind costs whoever keeps the numbers.
    self.refused = Dictionary(
      uniqueKeysWithValues: RedisServerError.transientCodes.map { ($0, errors(String($0))) })
  }

  /// A batch was answered in full.
  ///
  /// Refusals that say something about the command and nothing about Redis's state are not errors:
  /// "equal or smaller", for one, is how a mailbox knows a repeat.
  func answered(_ replies: RedisReplies, nanoseconds: Int64) {
    self.time.recordNanoseconds(nanoseconds)
    if let error = replies.error(where: \.isTransient) {
      self.refused[error.code]?.increment()
    }
  }

  /// Counts a connection that was closed because a reply was longer than allowed.
  func closedOversized() { self.oversized.increment() }

  func failed(_ error: RedisError) {
    switch error {
    case .unavailable: self.unavailable.increment()
    case .unanswered, .unexpectedReply: self.unanswered.increment()
    case .unconfirmed: self.unconfirmed.increment()
    case .server, .withheld: break
    }
  }
}
