/// Every number, limit and wait of a stand, each with its unit.
enum StandLimits {
  /// Gateways, and also messaging instances.
  static let instances = 2
  /// Places for each of the two services in HAProxy's files: a rolling restart starts a new instance
  /// beside the old.
  static let places = 4
  /// Nodes of the Redis cluster, half of them replicas.
  static let redisNodes = 6

  /// How long a process may take to be ready: a debug build on a busy machine, and a cluster that
  /// has its data to load.
  static let start = Duration.seconds(60)
  /// How long a process may take to end after SIGTERM; a gateway that is replaced has its drain time
  /// on top.
  static let stop = Duration.seconds(15)
  /// Time for the load balancer to notice that an instance is ready.
  static let notice = Duration.seconds(30)
  /// Time to wait for the answer to one question to a process, in seconds.
  static let answerSeconds: Int64 = 5
  /// Interval at which an awaited condition is checked.
  static let poll = Duration.milliseconds(50)

  /// Lines of the log that are shown of a process that ended unexpectedly.
  static let shownLines = 15

  /// Validity of certificates, in days.
  static let certificateDays = 365
  /// Time before their end at which certificates are replaced, in seconds.
  static let renewalSeconds = 86_400
  /// Validity of the tokens that a stand prints, in seconds: 7 days.
  static let tokenSeconds = 604_800.0

  /// Free blocks of ports are looked for here: above those that tests take for their Redis (and its
  /// bus), below those that Linux gives to connections.
  static let ports = 32_001...32_767
  /// Number of blocks to try.
  static let portAttempts = 100
}
