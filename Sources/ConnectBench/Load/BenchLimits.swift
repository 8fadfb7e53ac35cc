import Gateway

/// Upper bounds of a benchmark's options, and what several have in common.
enum BenchLimits {
  /// Connections, or users.
  static let connections = 1_000_000
  static let usualConnections = 200
  /// Messages per second, of all users together.
  static let messagesPerSecond = 1_000_000
  static let usualRate = 2_000
  /// Requests per second of one user.
  static let requestsPerSecond = 100_000
  /// Gateways of one deployment.
  static let gateways = 16
  /// Messages that each user of a closed loop keeps under way, and all users together, with the bytes of their
  /// bodies: what one event loop of a gateway takes, whichever of them the connections come to. It rejects more.
  static let window = GatewayLimits.heldSends
  static let messagesUnderWay = GatewayLimits.unansweredSends
  static let bodyBytesUnderWay = GatewayLimits.unansweredSendBytes
  /// Entries of a partition up to which gateways accept more, where a backlog is wanted: the most that they
  /// can be told.
  static let backlog = 1_000_000_000
  /// Duration of a benchmark, or of a part of one, in seconds.
  static let seconds = 86_400
  static let usualSeconds = 10
  /// The longest body of a message: that of the largest frame that a gateway can be configured for.
  static let bodyBytes = 16_777_216
  /// A short text, with what an app adds to it.
  static let usualBodyBytes = 200

  /// What is under way counts as lost when nothing has happened for this long.
  static let standstill = Duration.seconds(60)
  /// Time until nothing is under way any more after the last message: cursors are stored within a second.
  static let quietPause = Duration.seconds(2)
}
