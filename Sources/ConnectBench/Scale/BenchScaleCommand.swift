import ArgumentParser
import LocalCluster
import MessageBus
import NIOCore
import NIOPosix
import Settings

struct BenchScaleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scale",
    abstract: "CPU per message and the most messages, over shards, gateways and stored mailboxes.",
    discussion: """
      Starts a cluster of Redis and gateways of each size, one after the other, fills mailboxes of users who \
      are offline, and has pairs of others write: at a steady rate, and then as fast as they can. A million \
      mailboxes take some 1.3 GB of Redis's memory, and a minute or more to fill. All runs on this machine: \
      the CPU per message tells more than the most messages, unless there are processors for all of it. Exits \
      with 1 if a message of a pair was lost, repeated or reordered.
      """)

  @Option(
    help: ArgumentHelp(
      "Primaries of the cluster (default: \(ScaleLimits.defaultShards.text)).", valueName: "numbers"
    ),
    transform: ArgumentRules.risingNumbers(1...ScaleLimits.shards))
  var shards = ScaleLimits.defaultShards

  @Option(
    help: ArgumentHelp(
      "Gateways (default: \(ScaleLimits.defaultGateways.text)).", valueName: "numbers"),
    transform: ArgumentRules.risingNumbers(1...BenchLimits.gateways))
  var gateways = ScaleLimits.defaultGateways

  @Option(
    help: ArgumentHelp(
      "Stored mailboxes of one message each (default: \(ScaleLimits.defaultMailboxes.text)).",
      valueName: "numbers"),
    transform: ArgumentRules.risingNumbers(1...MailboxLimits.mailboxes))
  var mailboxes = ScaleLimits.defaultMailboxes

  @Option(
    help: "Partitions of the bus (default: \(ScaleLimits.partitions)).",
    transform: ArgumentRules.wholeNumber(1...BusLimits.maximumPartitions))
  var partitions = ScaleLimits.partitions

  @Option(
    help: "Connections: half as many pairs (default: \(ScaleLimits.connections)).",
    transform: ArgumentRules.evenNumber(2...BenchLimits.connections))
  var connections = ScaleLimits.connections

  @Option(
    help: "The steady rate, in messages per second (default: \(ScaleLimits.rate)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.messagesPerSecond))
  var rate = ScaleLimits.rate

  @Option(
    help: """
      Messages that each user keeps under way, for the most messages (default: \(ScaleLimits.window)).
      """,
    transform: ArgumentRules.wholeNumber(1...BenchLimits.window))
  var window = ScaleLimits.window

  @Option(
    help: "How long to send, of each kind, in seconds (default: \(ScaleLimits.seconds)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.seconds))
  var seconds = ScaleLimits.seconds

  @Option(
    help: "Length of a message's body, in bytes (default: \(BenchLimits.usualBodyBytes)).",
    transform: ArgumentRules.wholeNumber(2...BenchLimits.bodyBytes))
  var bodyBytes = BenchLimits.usualBodyBytes

  @Option(
    help: """
      When the Redis to start writes to its append-only files, which are never rewritten; no: it has none.
      """)
  var aof = AppendOnly.no

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  func validate() throws {
    try ArgumentRules.check(window: self.window, connections: self.connections)
  }

  func run() async throws {
    try await self.exiting {
      var options = try BenchStand.deployment(gateways: 0)
      options.redis = .cluster
      options.partitions = self.partitions
      self.aof.apply(to: &options)
      options.keepEverything()
      let screen = ProgressScreen(shownEvery: 1)
      let report = try await self.measure(options, screen)
      screen.end()
      try report.print(asJSON: self.json)
      guard report.isSound else {
        throw Failure(.running, "messages were lost, repeated or reordered: see above")
      }
    }
  }

  private func measure(
    _ options: Deployment.Options, _ screen: ProgressScreen
  ) async throws -> ScaleReport {
    var report = ScaleReport(
      options, partitions: self.partitions, connections: self.connections,
      bodyBytes: self.bodyBytes, rate: self.rate, window: self.window)
    let sizes = self.shards.values.flatMap { shards in
      self.gateways.values.map { (shards: shards, gateways: $0) }
    }
    for (index, size) in sizes.enumerated() {
      let left = (sizes.count - index) * self.secondsPerSize
      screen.event(
        "\(size.shards) shards, \(size.gateways) gateways (\(index + 1) of \(sizes.count)): about "
          + TimeLeft.text(seconds: left))
      var options = options
      options.primaries = size.shards
      options.gateways = size.gateways
      let (rows, totals) = try await BenchStand.deploying(options) {
        try await self.rows(on: $0, screen)
      }
      for row in rows { report.add(row) }
      report.count(totals)
    }
    return report
  }

  /// About how long one deployment takes.
  private var secondsPerSize: Int {
    let most = self.mailboxes.values.last ?? 0
    let loads = self.mailboxes.values.count * 2 * self.seconds
    return ScaleLimits.startSeconds + ScaleLimits.warmUpSeconds + loads
      + most / ScaleLimits.filledPerSecond
  }

  /// Rising numbers of mailboxes on one deployment.
  private func rows(
    on stand: BenchStand, _ screen: ProgressScreen
  ) async throws -> ([ScaleReport.Row], Ledger.Totals) {
    guard let gateway = stand.endpoints.last else { preconditionFailure("it has a gateway") }
    let store = try await MailboxStore.open(
      stand, on: gateway, bodyBytes: self.bodyBytes, screen)
    let run = BenchRun(
      eventLoop: MultiThreadedEventLoopGroup.singleton.next(), bodyBytes: self.bodyBytes)
    try await BenchUsers.open(self.connections, run: run, stand: stand, screen)
    _ = try await MeasuredLoad.measure(
      .open(rate: self.rate), seconds: ScaleLimits.warmUpSeconds, of: run, on: stand)
    let rows = try await StoredMailboxes.fill(self.mailboxes.values, store) { count in
      async let _ = screen.follow { [seconds] elapsed in
        "beside \(count) mailboxes: \(elapsed) s; \(TimeLeft.text(seconds: 2 * seconds - elapsed))"
      }
      let steady = try await MeasuredLoad.measure(
        .open(rate: self.rate), seconds: self.seconds, of: run, on: stand)
      let most = try await MeasuredLoad.measure(
        .closed(window: self.window), seconds: self.seconds, of: run, on: stand)
      return ScaleReport.Row(
        shards: stand.primaries.count, gateways: stand.endpoints.count, mailboxes: count,
        cpuMicrosecondsPerMessage: steady.cost,
        latencyP50Milliseconds: steady.latencies.percentile(50) / .milliseconds(1),
        latencyP99Milliseconds: steady.latencies.percentile(99) / .milliseconds(1),
        commandsPerMessage: steady.commandsPerMessage,
        mostPerSecond: most.sent.deliveredPerSecond, mostCPUMicrosecondsPerMessage: most.cost)
    }
    try await store.close()
    let totals = try await run.eventLoop.submit {
      defer { run.close() }
      return run.ledger.totals
    }.get()
    return (rows, totals)
  }
}
