import ArgumentParser

struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures what Connect costs.",
    discussion: """
      Starts a Redis, messaging and gateways of its own as child processes on this machine, unless \
      --url says where gateways run. Times are those of this machine, which also makes the load: \
      compare runs of one machine, and trust ratios and CPU time more than latencies.
      """,
    subcommands: [BenchChatCommand.self, BenchIdleCommand.self, BenchFaultsCommand.self],
    defaultSubcommand: BenchChatCommand.self)
}

/// What all benchmarks can be told.
struct BenchOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A gateway that runs already; may be given several times.",
      discussion: "Its users' tokens are signed with the configured secret.", valueName: "ws://…"))
  var url: [String] = []

  @Option(
    help: ArgumentHelp(
      "A process whose CPU time to count, with --url.", valueName: "name=pid"))
  var process: [String] = []

  @Option(help: "Gateways to start, without --url.")
  var gateways = 2

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  @OptionGroup var auth: AuthOptions
}
