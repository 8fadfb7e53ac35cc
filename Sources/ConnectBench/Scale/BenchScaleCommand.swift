import ArgumentParser
import LocalCluster
import Settings

struct BenchScaleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scale",
    abstract: "CPU per message and the maximum rate, over shards, gateways and stored mailboxes.",
    discussion: """
      Starts a cluster of Redis and gateways of each size, one after the other, fills mailboxes of users who \
      are offline, and has pairs of others write: at a steady rate, and then as fast as they can. A million \
      mailboxes take some 1.3 GB of Redis's memory, and a minute or more to fill. All runs on this machine: \
      the maximum rate tells less than the CPU per message, unless there are processors for all of it. Exits \
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

  @OptionGroup var rate: RateOptions
  @OptionGroup var load: LoadOptions

  @Option(
    help: """
      Messages that each user keeps under way, for the maximum rate (default: \(ScaleLimits.window)).
      """,
    transform: ArgumentRules.wholeNumber(1...BenchLimits.window))
  var window = ScaleLimits.window

  @OptionGroup var common: BenchCommonOptions

  func validate() throws { try ArgumentRules.check(window: self.window, self.load) }

  func run() async throws {
    try await self.exiting {
      var options = try BenchStand.deployment(gateways: 0)
      options.redis = .cluster
      self.common.apply(to: &options)
      options.allowBacklog()
      options.keepShortHistory()
      let report = try await ProgressScreen.during { try await self.measure(options, $0) }
      try report.print(asJSON: self.common.json)
      try report.soundness.require()
    }
  }

  private func measure(
    _ options: Deployment.Options, _ screen: ProgressScreen
  ) async throws -> ScaleReport {
    var report: ScaleReport?
    let sizes = self.shards.values.flatMap { shards in
      self.gateways.values.map { (shards: shards, gateways: $0) }
    }
    let loads = LoadBesideMailboxes(
      mailboxes: self.mailboxes.values, rate: self.rate.rate, window: self.window, load: self.load,
      screen: screen)
    for (index, size) in sizes.enumerated() {
      let left = (sizes.count - index) * self.secondsPerSize
      screen.event(
        "\(ScaleReport.count(size.shards, "shard")), \(ScaleReport.count(size.gateways, "gateway")) "
          + "(\(index + 1) of \(sizes.count)): about " + TimeLeft.text(seconds: left))
      var options = options
      options.primaries = size.shards
      options.gateways = size.gateways
      let (setup, rows, totals) = try await BenchStand.deploying(options) { stand in
        let (rows, totals) = try await loads.rows(on: stand)
        return (stand.setup, rows, totals)
      }
      var all =
        report
        ?? ScaleReport(
          setup: setup, connections: self.load.connections, bodyBytes: self.load.bodyBytes,
          rate: self.rate.rate, window: self.window)
      for row in rows {
        guard let closed = row.closed else { preconditionFailure("there is a window") }
        all.add(ScaleReport.Row(row, closed: closed, setup: setup))
      }
      all.count(totals)
      report = all
    }
    guard let report else { preconditionFailure("there is a size") }
    return report
  }

  /// About how long one deployment takes.
  private var secondsPerSize: Int {
    let most = self.mailboxes.values.last ?? 0
    let loads = self.mailboxes.values.count * 2 * self.load.seconds
    return ScaleLimits.startSeconds + loads
      + most / ScaleLimits.filledPerSecond
  }
}
