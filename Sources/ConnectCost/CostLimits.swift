/// What the drivers of a message's cost do, where it is not an option.
enum CostLimits {
  /// Operations of one run, at most.
  static let operations = 1_000_000

  /// Operations of a run by default.
  static let defaultOperations = 1_024

  /// Messages that share a turn of the event loop, at most: each has a connection or a mailbox of its own.
  static let batch = 16

  /// Length of a message's body, in bytes.
  static let bodyBytes = 200

  /// Operations in a second of the event loop's own time, which passes for them alone. So what a gateway does
  /// once in a second is counted, and as often in each run. So few that a driver on a busy machine, under
  /// valgrind, is not taken for a process that was paused (`GatewayLimits.pauseMilliseconds`).
  static let operationsPerSecond = 32

  /// Ping period of the gateway, in seconds of that time: longer than a run.
  static let pingSeconds = 86_400

  /// What a user may send in a second: no driver comes near.
  static let sendsPerSecond = 1_000_000

  /// Milliseconds since 1970 of the first offset. Long ago, so that every age falls into the last bucket of
  /// the histograms, however fast the driver is.
  static let firstOffsetMilliseconds: UInt64 = 1_700_000_000_000
}
