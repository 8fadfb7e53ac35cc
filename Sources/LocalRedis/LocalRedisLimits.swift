import Dispatch

/// Every limit and interval of this module.
enum LocalRedisLimits {
  /// Interval of checks for the end of a child, where the system does not report it.
  static let reapInterval = DispatchTimeInterval.milliseconds(10)
  /// A longer line of output is delivered in pieces of this many bytes.
  static let lineBytes = 64 * 1024
  /// Last lines of a server's output that an error shows.
  static let shownLines = 8

  /// Time for a server to answer after its start. Loading an append-only file counts.
  static let serverStart = Duration.seconds(60)
  /// Interval of questions to a starting server: it answers 10 to 15 ms after its start.
  static let serverPoll = Duration.milliseconds(2)
  /// Time for the answer to one such question.
  static let serverAnswer = Duration.milliseconds(200)
  /// Time for a server to end after SIGTERM: it may have a file to sync.
  static let serverGrace = Duration.seconds(10)
  /// Number of free ports tried, since another process may take one first.
  static let portAttempts = 10
  /// The ports that servers are given. They and the ports of their buses are below those that the
  /// system gives to connections (from 32,768 on Linux, from 49,152 on macOS).
  static let ports = 10_000...22_000
  /// A cluster's bus is at the port plus this.
  static let busOffset = 10_000

  /// The longest reply to a command, and its longest array.
  static let replyBytes = 64 * 1024 * 1024
  /// The deepest nesting of its arrays.
  static let replyDepth = 16
}
