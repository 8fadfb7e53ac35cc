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

  /// The options that are not the defaults.
  fileprivate var given: [String] {
    (self.redis != .plain ? ["--redis"] : []) + (self.registry != nil ? ["--registry"] : [])
      + (self.durability != nil ? ["--durability"] : [])
  }

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

/// When the Redis that a benchmark starts has its data in a file.
enum AppendOnly: String, CaseIterable, ExpressibleByArgument {
  case no
  /// Writes to an append-only file, which is on the disk within a second.
  case everysec
  /// Writes to an append-only file, which is on the disk before Redis answers.
  case always

  /// Redis rewrites a file that has doubled, in a child process whose CPU time nobody would count, in the midst of
  /// a load.
  private static let neverRewrite = ["--auto-aof-rewrite-percentage", "0"]

  /// Has the Redis of a deployment do this.
  func apply(to options: inout Deployment.Options) {
    options.persistence = self.persistence
    if self != .no { options.redisServerArguments += Self.neverRewrite }
  }

  private var persistence: LocalRedisServer.Persistence {
    switch self {
    case .no: .none
    case .everysec: .appendOnly(fsync: .everySecond)
    case .always: .appendOnly(fsync: .always)
    }
  }

  init(_ persistence: LocalRedisServer.Persistence) {
    switch persistence {
    case .none: self = .no
    case .appendOnly(_, .everySecond): self = .everysec
    case .appendOnly(_, .always): self = .always
    }
  }
}

/// What all deployments that a benchmark starts have in common, and how it reports.
struct BenchCommonOptions: ParsableArguments {
  static let defaultPartitions = 16

  @Option(
    help: "Partitions of the bus (default: \(Self.defaultPartitions)).",
    transform: ArgumentRules.wholeNumber(1...BusLimits.maximumPartitions))
  var partitions = Self.defaultPartitions

  @Option(
    help: """
      When the Redis to start writes to its append-only file, which is never rewritten; no: it has none.
      """)
  var aof = AppendOnly.no

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  func apply(to options: inout Deployment.Options) {
    options.partitions = self.partitions
    self.aof.apply(to: &options)
  }

  /// The options that are about what is started, as far as they are not the defaults.
  fileprivate var given: [String] {
    (self.partitions != Self.defaultPartitions ? ["--partitions"] : [])
      + (self.aof != .no ? ["--aof"] : [])
  }
}

/// The deployment that a benchmark starts, and how it reports.
struct BenchDeploymentOptions: ParsableArguments {
  private static let defaultGateways = 2

  @Option(
    help: "Gateways to start (default: \(Self.defaultGateways)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.gateways))
  var gateways = Self.defaultGateways

  @OptionGroup var redis: BenchRedisOptions

  @OptionGroup var common: BenchCommonOptions

  var json: Bool { self.common.json }

  /// Options of the deployment to start.
  func deployment() throws(Failure) -> Deployment.Options {
    var options = try self.redis.deployment(gateways: self.gateways)
    self.common.apply(to: &options)
    return options
  }

  /// The options that are about what is started, as far as they are not the defaults.
  var given: [String] {
    (self.gateways != Self.defaultGateways ? ["--gateways"] : []) + self.redis.given
      + self.common.given
  }
}

/// The deployment of a benchmark that may run already.
struct BenchOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      A gateway that runs already; may be given several times. Its users' tokens are signed with \
      the configured secret. Nothing is started then.
      """,
      valueName: "ws://…"),
    transform: ArgumentRules.plainGateway)
  var url: [ConnectEndpoint] = []

  @Option(
    help: ArgumentHelp(
      """
      A process whose CPU time to count, with --url; may be given several times, each with a name of its \
      own. What the name begins with says what it is: gateway, messaging, and redis or registry for Redis; \
      any other counts in the sum only.
      """,
      valueName: "name=pid"),
    transform: ArgumentRules.process)
  var process: [MeasuredProcess] = []

  @OptionGroup var deployed: BenchDeploymentOptions

  @OptionGroup var auth: AuthOptions

  func validate() throws {
    guard self.process.isEmpty || !self.url.isEmpty else {
      throw ValidationError(
        "--process is about gateways that run: give their --url, or leave it out")
    }
    let given = self.deployed.given
    guard self.url.isEmpty || given.isEmpty else {
      throw ValidationError(
        "--url: nothing is started then; leave out \(given.joined(separator: ", "))")
    }
    var names: Set<String> = [MeasuredProcess.loadGenerator.name]
    for process in self.process where !names.insert(process.name).inserted {
      throw ValidationError(
        "--process: '\(process.name)' is the name of another one; give each a name of its own, such as "
          + "'gateway 1'")
    }
  }

  /// How many gateways there will be.
  var gateways: Int { self.url.isEmpty ? self.deployed.gateways : self.url.count }
}
