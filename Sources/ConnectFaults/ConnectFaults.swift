/// # ConnectFaults
///
/// Whole deployments of separate processes that are hurt on purpose while people chat, and the count
/// of what became of every message. For tests, benchmarks and the curious only.
///
/// - `Deployment/` is a Redis, gateways and messaging instances as child processes, and the load
///   balancer before them.
/// - `Chatters/` is users with one or two devices each, and the ledger of what they sent and saw.
/// - `Faults/` is what can be done to a deployment, the plan that does it, and the report.

/// Every limit, wait and default of this module, each with its unit.
public enum FaultLimits {
  /// How long a service may take to say that it has started.
  public static let start = Duration.seconds(30)
  /// How long a service may take to end after SIGTERM before it is killed.
  public static let stopGrace = Duration.seconds(20)
  /// How long everything may take to work again after a fault.
  public static let recovery = Duration.seconds(90)
  /// How long the last messages may take to arrive once nothing is sent any more.
  public static let settle = Duration.seconds(90)
  /// What is missing by then and has not become less for so long counts as lost. Longer than a
  /// gateway takes to look whether a device has everything.
  public static let standstill = Duration.seconds(60)
  /// How often a condition is looked at that is waited for.
  public static let poll = Duration.milliseconds(20)

  /// Lines of output that are kept of each process: the last ones.
  public static let keptLines = 100_000
  /// What went wrong is described in the report, up to so many times.
  public static let incidents = 40

  /// Latencies that are kept until somebody asks for them.
  static let keptLatencies = 100_000

  /// How often due messages are looked for.
  static let tick = Duration.milliseconds(5)
  /// Every so many messages one asks for a receipt.
  static let receiptEvery = 16
  /// How long the load balancer waits for a gateway to accept a connection, in milliseconds.
  static let balancerConnectMilliseconds: Int64 = 1_000
}
