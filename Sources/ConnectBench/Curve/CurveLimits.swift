/// Every limit and default of a curve, each with its unit.
enum CurveLimits {
  static let rounds = 1
  /// The most rounds.
  static let mostRounds = 99

  /// A rate is reached if this share of it was delivered while it was sent, nothing was rejected, and no
  /// connection has ended.
  static let reachedShare = 0.95
  /// A step: by how much a figure rises from one rate to the next, in per cent.
  static let cpuStepPercent = 5.0
  static let p99StepPercent = 20.0
  /// Of a rate, beyond the time in which messages are sent, for the estimate of the time left, in seconds.
  static let overheadSeconds = 1
}
