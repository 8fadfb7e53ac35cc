/// Upper bounds of a benchmark's options, and what several have in common.
enum BenchLimits {
  /// Connections, or users.
  static let connections = 1_000_000
  /// Messages per second, of all users together.
  static let messagesPerSecond = 1_000_000
  /// Requests per second of one user.
  static let requestsPerSecond = 100_000
  /// Gateways of one deployment.
  static let gateways = 16
  /// Messages that each user of a closed loop keeps under way, and all users together: their bodies are in
  /// memory several times.
  static let window = 1_024
  static let messagesUnderWay = 1_000_000
  /// Entries of a partition up to which gateways accept more, where a backlog is wanted: the most that they
  /// can be told.
  static let backlog = 1_000_000_000
  /// Duration of a benchmark, or of a part of one, in seconds.
  static let seconds = 86_400
  /// The longest body of a message: that of the largest frame that a gateway can be configured for.
  static let bodyBytes = 16_777_216
  /// A short text, with what an app adds to it.
  static let usualBodyBytes = 200
}
