/// Upper bounds of a benchmark's options.
enum BenchLimits {
  /// Connections, or users.
  static let connections = 1_000_000
  /// Messages per second, of all users together.
  static let messagesPerSecond = 1_000_000
  /// Requests per second of one user.
  static let requestsPerSecond = 100_000
  /// Gateways of one deployment.
  static let gateways = 16
  /// Duration of a benchmark, in seconds.
  static let seconds = 86_400
  /// The longest body of a message: that of the largest frame that a gateway can be configured for.
  static let bodyBytes = 16_777_216
}
