/// Every number, limit and wait of a stand, each with its unit.
enum StandLimits {
  /// Gateways, and messaging instances.
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
  /// How long the load balancer may take to notice that an instance is ready.
  static let notice = Duration.seconds(30)
  /// How long one question to a process may wait for its answer, in seconds.
  static let answerSeconds: Int64 = 5
  /// How often a condition is looked at that is waited for.
  static let poll = Duration.milliseconds(50)

  /// Lines of a log that are shown when its process has ended unasked.
  static let shownLines = 15

  /// How long certificates are valid, in days.
  static let certificateDays = 365
  /// How long before their end they are replaced, in seconds.
  static let renewalSeconds = 86_400
  /// How long the tokens are valid that a stand prints, in seconds: 7 days.
  static let tokenSeconds = 604_800.0

  /// Free blocks of ports are looked for here: above those that tests take for their Redis (and its
  /// bus), below those that Linux gives to connections.
  static let ports = 32_001...32_767
  /// How many blocks are tried.
  static let portAttempts = 100
}
