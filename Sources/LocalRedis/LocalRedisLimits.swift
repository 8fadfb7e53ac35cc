import Dispatch

/// Every limit and interval of this module.
enum LocalRedisLimits {
  /// How often the end of a child process is looked for, where the system does not tell of it.
  static let reapInterval = DispatchTimeInterval.milliseconds(10)
  /// A longer line of output is delivered in pieces of this many bytes.
  static let lineBytes = 64 * 1024
  /// How many of a server's last lines of output an error shows.
  static let shownLines = 8

  /// How long a server may take to answer. Loading an append-only file counts.
  static let serverStart = Duration.seconds(60)
  /// How often a starting server is asked: it answers 10 to 15 ms after its start.
  static let serverPoll = Duration.milliseconds(2)
  /// How long one such question may wait for its answer.
  static let serverAnswer = Duration.milliseconds(200)
  /// How long a server may take to end after SIGTERM: it may have a file to sync.
  static let serverGrace = Duration.seconds(10)
  /// How many free ports are tried, as another process may take one first.
  static let portAttempts = 10
  /// The ports that servers are given. They and the ports of their buses are below those that the
  /// system gives to connections (from 32,768 on Linux, from 49,152 on macOS).
  static let ports = 10_000...22_000
  /// A cluster's bus is at the port plus this.
  static let busOffset = 10_000

  /// The longest reply to a command by hand, and its longest array.
  static let replyBytes = 64 * 1024 * 1024
  /// How deep its arrays may nest.
  static let replyDepth = 16
}
