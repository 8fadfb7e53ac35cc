import ArgumentParser
import Settings

/// Who writes in a load, how much and how long.
struct LoadOptions: ParsableArguments {
  @Option(
    help:
      "Connections of those who write: half as many pairs (default: \(BenchLimits.usualConnections)).",
    transform: ArgumentRules.evenNumber(2...BenchLimits.connections))
  var connections = BenchLimits.usualConnections

  @Option(
    help: "How long to send each time, in seconds (default: \(BenchLimits.usualSeconds)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.seconds))
  var seconds = BenchLimits.usualSeconds

  @Option(
    help: "Length of a message's body, in bytes (default: \(BenchLimits.usualBodyBytes)).",
    transform: ArgumentRules.wholeNumber(2...BenchLimits.bodyBytes))
  var bodyBytes = BenchLimits.usualBodyBytes

  /// The options that are not the defaults.
  var given: [String] {
    (self.connections != BenchLimits.usualConnections ? ["--connections"] : [])
      + (self.seconds != BenchLimits.usualSeconds ? ["--seconds"] : [])
      + (self.bodyBytes != BenchLimits.usualBodyBytes ? ["--body-bytes"] : [])
  }
}

/// The rate of an open loop.
struct RateOptions: ParsableArguments {
  @Option(
    help: "Messages per second, of all users together (default: \(BenchLimits.usualRate)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.messagesPerSecond))
  var rate = BenchLimits.usualRate
}
