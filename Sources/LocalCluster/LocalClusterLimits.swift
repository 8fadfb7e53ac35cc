/// Every limit and interval of this module.
enum LocalClusterLimits {
  /// How long a cluster may take to be what is waited for. Usual are 2 to 3 seconds.
  static let clusterSettling = Duration.seconds(60)
  /// How often its nodes are asked meanwhile.
  static let clusterPoll = Duration.milliseconds(30)
  /// How long a failover by hand may take before it is asked for again: Redis gives it up after 5
  /// seconds.
  static let failOver = Duration.seconds(6)
  /// How long MIGRATE may take for one step's keys.
  static let migrate = Duration.seconds(5)
}
