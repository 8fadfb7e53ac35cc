import ArgumentParser
import Settings
import Testing

@testable import ConnectBench
@testable import ConnectCommand

/// A command, and all that it is told by its options.
struct ReachedCommand: Sendable, CustomTestStringConvertible {
  let path: [String]
  /// Arguments without which the command is refused.
  let given: [String]
  /// By options, the arguments without which these are refused.
  let companions: [String: [String]]
  let parse: @Sendable ([String]) throws -> any ParsableArguments
  /// Makes the values that the parsed command works with.
  let read: @Sendable (any ParsableArguments, SettingValues) throws -> Any

  init<Command: ParsableArguments>(
    _ path: String..., given: [String] = [], companions: [String: [String]] = [:],
    read: @escaping @Sendable (Command, SettingValues) throws -> Any
  ) {
    self.path = path
    self.given = given
    self.companions = companions
    self.parse = { try Command.parse($0) }
    self.read = { try read($0 as! Command, $1) }
  }

  var testDescription: String { self.path.joined(separator: " ") }

  static let all = Self.services + Self.inspection + Self.tools + Self.benchmarks

  /// Those that between them have all settings.
  static let services = [
    ReachedCommand("gateway") { (_: GatewayCommand, values) in
      try GatewayCommand.settings(values)
    },
    ReachedCommand("messaging") { (_: MessagingCommand, values) in
      try MessagingCommand.settings(values)
    },
    ReachedCommand("dev") { (command: DevCommand, values) in try command.plan(values) },
    ReachedCommand("inspect", "overview") { (command: InspectOverviewCommand, values) in
      (try DataSettings(values), command.options.json)
    },
  ]

  private static let inspection = [
    ReachedCommand("inspect", "streams") { (command: InspectStreamsCommand, values) in
      (try DataSettings(values), command.options.json)
    },
    ReachedCommand("inspect", "partitions") { (command: InspectPartitionsCommand, values) in
      (try DataSettings(values), command.options.json)
    },
    ReachedCommand("inspect", "gateways") { (command: InspectGatewaysCommand, values) in
      (try DataSettings(values), command.options.json)
    },
    ReachedCommand("inspect", "user", given: ["bob"]) { (command: InspectUserCommand, values) in
      (try DataSettings(values), command.options.json)
    },
    ReachedCommand("inspect", "deadletters", "list") { (command: ListDeadLettersCommand, values) in
      (try DataSettings(values), command.options.json, command.limit)
    },
    ReachedCommand("inspect", "deadletters", "show", given: ["1-0"]) {
      (command: ShowDeadLetterCommand, values) in
      (try DataSettings(values), command.options.json)
    },
    ReachedCommand("inspect", "deadletters", "requeue", given: ["1-0"]) {
      (command: RequeueDeadLettersCommand, values) in
      (try DataSettings(values), command.options.json, command.choice.all)
    },
    ReachedCommand("inspect", "deadletters", "drop", given: ["1-0"]) {
      (command: DropDeadLettersCommand, values) in
      (try DataSettings(values), command.options.json, command.choice.all)
    },
  ]

  private static let tools = [
    ReachedCommand("chat", given: ["--as", "alice", "--to", "bob"]) {
      (command: ChatCommand, values) in
      (
        command.user, command.to, command.token, command.clientConfiguration, command.caFile,
        command.sessionOptions, try values.developmentSecret()
      )
    },
    ReachedCommand("token", given: ["alice"]) { (command: TokenCommand, values) in
      (command.ttl, command.device, try values.developmentSecret())
    },
    ReachedCommand("health") { (command: HealthCommand, _) in command.timeout },
  ]

  private static let benchmarks = [
    ReachedCommand(
      "connect-bench", "chat", given: Self.replicated + ["--askers", "2"],
      companions: Self.running
    ) { (command: BenchChatCommand, values) in
      (
        Self.values(of: command.load), command.rate, command.window, command.traits, command.askers,
        command.askerRate, try Self.values(of: command.bench, values)
      )
    },
    ReachedCommand(
      "connect-bench", "curve", given: Self.replicated, companions: Self.running
    ) { (command: BenchCurveCommand, values) in
      (
        command.rates, Self.values(of: command.load), command.rounds, command.svg, command.compare,
        command.read, try Self.values(of: command.bench, values)
      )
    },
    ReachedCommand(
      "connect-bench", "idle", given: Self.replicated, companions: Self.running
    ) { (command: BenchIdleCommand, values) in
      (command.connections, command.seconds, try Self.values(of: command.bench, values))
    },
    ReachedCommand("connect-bench", "backlog", given: Self.replicated) {
      (command: BenchBacklogCommand, _) in
      (
        Self.values(of: command.load), command.rate.rate, try Self.values(of: command.deployed)
      )
    },
    ReachedCommand("connect-bench", "storm", given: Self.replicated) {
      (command: BenchStormCommand, _) in
      (
        command.connections, command.loss, command.talkers, command.rate, command.seconds,
        try Self.values(of: command.deployed)
      )
    },
    ReachedCommand("connect-bench", "mailbox", given: Self.replicated) {
      (command: BenchMailboxCommand, _) in
      (
        command.users, command.entries, command.mailboxes, Self.values(of: command.load),
        command.rate.rate, try Self.values(of: command.deployed)
      )
    },
    ReachedCommand("connect-bench", "scale") { (command: BenchScaleCommand, _) in
      (
        command.shards, command.gateways, command.mailboxes, Self.values(of: command.load),
        command.rate.rate, command.window, command.common.partitions, command.common.aof,
        command.common.json
      )
    },
    ReachedCommand("connect-bench", "faults", given: Self.replicated + ["--raw-senders", "2"]) {
      (command: BenchFaultsCommand, _) in
      var plan = try command.plan()
      plan.deployment.secret = ""
      return (plan, command.json)
    },
    ReachedCommand(
      "connect-bench", "stand", "up", given: ["--root", "root", "--connect", "connect"]
    ) { (command: StandUpCommand, _) in
      (command.root, command.state, command.ports, command.drainSeconds, command.connect)
    },
    ReachedCommand("connect-bench", "stand", "roll", given: ["--state", "state"]) {
      (command: StandRollCommand, _) in
      (command.state, command.cutAfter)
    },
  ]

  /// With replicas, `--durability` may be of either kind.
  private static let replicated = ["--redis", "cluster-tls"]

  private static let running = ["process": ["--url", "ws://first:7"]]

  private static func values(of load: LoadOptions) -> Any {
    (load.connections, load.seconds, load.bodyBytes)
  }

  /// A deployment's secret is another one each time, and no option changes it.
  private static func values(of bench: BenchOptions, _ values: SettingValues) throws -> Any {
    (
      bench.url, bench.process, try Self.values(of: bench.deployed), try values.developmentSecret()
    )
  }

  private static func values(of bench: BenchDeploymentOptions) throws -> Any {
    var deployment = try bench.deployment()
    deployment.secret = ""
    return (bench.json, deployment)
  }
}
