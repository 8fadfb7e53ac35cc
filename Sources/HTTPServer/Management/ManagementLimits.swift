/// Limits of the management port, each with its unit.
package enum ManagementLimits {
  /// Connections at a time; more wait to be accepted. So few that they need no share of the process's
  /// descriptors: this port answers when all others have run out of them.
  static let connections = 16

  /// How long a client may say nothing, take for the head of its request, for its body, and to receive
  /// the answer; and how long that may take to be found; in milliseconds each.
  static let phaseMilliseconds: Int64 = 5_000

  /// How long requests under way may take when the service stops, in milliseconds.
  static let stopMilliseconds: Int64 = 1_000

  /// The limits of HTTP. A connection ends with its first answer: one that is kept would take the place
  /// of another that waits.
  package static var http: HTTPServingLimits {
    var limits = HTTPServingLimits()
    limits.keepsConnections = false
    limits.sockets = Self.connections
    limits.budget = nil
    limits.idleMilliseconds = Self.phaseMilliseconds
    limits.headMilliseconds = Self.phaseMilliseconds
    limits.bodyMilliseconds = Self.phaseMilliseconds
    limits.answerMilliseconds = Self.phaseMilliseconds
    limits.writeMilliseconds = Self.phaseMilliseconds
    limits.stopMilliseconds = Self.stopMilliseconds
    return limits
  }
}
