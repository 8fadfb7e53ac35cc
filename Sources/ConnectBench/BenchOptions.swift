import ArgumentParser
import ConnectClient
import LocalCluster
import LocalRedis
import MessageBus
import Settings

/// The kind of Redis that a benchmark starts.
struct BenchRedisOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      The Redis to start: tls logs in as a user with few rights; cluster has three primaries; \
      cluster-tls a replica of each, too.
      """))
  var redis = LocalRedisInstallation.Kind.plain

  @Option(
    help: ArgumentHelp(
      "A second Redis to start, of these kinds, too, for all that belongs to a user (default: none).",
      valueName: "redis"))
  var registry: LocalRedisInstallation.Kind?

  @Option(
    help: ArgumentHelp(
      """
      What both services are told: \(Durability.form) (default: replicated:1 where there are \
      replicas, else accepted).
      """,
      valueName: "durability"),
    transform: ArgumentRules.durability)
  var durability: Durability?

  /// Options of a deployment of this executable.
  func deployment(gateways: Int) throws(Failure) -> Deployment.Options {
    var options = try BenchStand.deployment(gateways: gateways)
    options.redis = self.redis
    options.registry = self.registry
    let kinds = [self.redis] + (self.registry.map { [$0] } ?? [])
    let replicas = kinds.map(\.replicas).min() ?? 0
    options.durability = self.durability ?? (replicas > 0 ? .replicated(1) : .accepted)
    if let kind = kinds.first(where: { $0.replicas < options.durability.replicas }) {
      throw Failure.usage(
        "--durability: \(options.durability) needs more replicas than a Redis of the kind "
          + "\(kind.rawValue) has, whose primaries have \(kind.replicas)")
    }
    return options
  }
}

extension LocalRedisInstallation.Kind: ExpressibleByArgument {}

struct BenchOptions: ParsableArguments {
  private enum Default {
    static let gateways = 2
    static let partitions = 16
  }

  @Option(
    help: ArgumentHelp(
      """
      A gateway that runs already; may be given several times. Its users' tokens are signed with \
      the configured secret.
      """,
      valueName: "ws://…"),
    transform: ArgumentRules.gateway)
  var url: [ConnectEndpoint] = []

  @Option(
    help: ArgumentHelp(
      "A process whose CPU time to count, with --url.", valueName: "name=pid"),
    transform: ArgumentRules.process)
  var process: [MeasuredProcess] = []

  @Option(
    help: "Gateways to start, without --url (default: \(Default.gateways)).",
    transform: ArgumentRules.wholeNumber(1...16))
  var gateways = Default.gateways

  @Option(
    help: "Partitions of the bus, without --url (default: \(Default.partitions)).",
    transform: ArgumentRules.wholeNumber(1...BusLimits.maximumPartitions))
  var partitions = Default.partitions

  @OptionGroup var redis: BenchRedisOptions

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  @OptionGroup var auth: AuthOptions

  /// Options of the deployment to start, without `--url`.
  func deployment() throws(Failure) -> Deployment.Options {
    var options = try self.redis.deployment(gateways: self.gateways)
    options.gatewayArguments = ["--partitions", "\(self.partitions)"]
    options.messagingArguments = options.gatewayArguments
    return options
  }
}
