/// Every limit and interval of this module.
enum LocalClusterLimits {
  /// Time for a cluster to reach an awaited state. 2 to 3 seconds are usual.
  static let clusterSettling = Duration.seconds(60)
  /// Interval of questions to its nodes in the meantime.
  static let clusterPoll = Duration.milliseconds(30)
  /// How long a failover by hand may take before it is asked for again: Redis gives it up after 5
  /// seconds.
  static let failOver = Duration.seconds(6)
  /// Time for MIGRATE to move one step's keys.
  static let migrate = Duration.seconds(5)
}
