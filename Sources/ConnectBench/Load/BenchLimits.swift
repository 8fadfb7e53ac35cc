/// What a benchmark can be asked for at most.
enum BenchLimits {
  /// Connections, or users.
  static let connections = 1_000_000
  /// Messages per second, of all users together.
  static let messagesPerSecond = 1_000_000
  /// How long a benchmark goes on, in seconds.
  static let seconds = 86_400
  /// The length of a message's body: that of the largest frame that a gateway can be told to take.
  static let bodyBytes = 16_777_216
}
