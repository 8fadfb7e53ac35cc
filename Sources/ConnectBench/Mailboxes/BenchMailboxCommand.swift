import ArgumentParser
import Settings

struct BenchMailboxCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mailbox",
    abstract: "Memory of mailboxes, the cost of their replay, and of messages beside many of them.",
    discussion: """
      Three parts, each on a deployment of its own: Redis's memory of users with 1 and with 5 messages; \
      replays of mailboxes, with their time, their CPU per entry and the gateway's memory; and pairs of users \
      who write at a steady rate beside mailboxes of one message each of users who are offline. These take \
      some 1.3 KB of Redis's memory each. Mailboxes are filled by messages, as in production. Exits with 1 \
      if a message of a pair was lost, repeated or reordered.
      """)

  @Option(
    help: "Users whose memory is measured (default: \(MailboxLimits.users)).",
    transform: ArgumentRules.wholeNumber(1...MailboxLimits.mostUsers))
  var users = MailboxLimits.users

  @Option(
    help: ArgumentHelp(
      "Entries of mailboxes to replay (default: \(MailboxLimits.defaultEntries.text)).",
      valueName: "numbers"),
    transform: ArgumentRules.risingNumbers(1...MailboxLimits.entries))
  var entries = MailboxLimits.defaultEntries

  @Option(
    help: ArgumentHelp(
      "Stored mailboxes beside the pairs (default: \(MailboxLimits.defaultMailboxes.text)).",
      valueName: "numbers"),
    transform: ArgumentRules.risingNumbers(1...MailboxLimits.mailboxes))
  var mailboxes = MailboxLimits.defaultMailboxes

  @OptionGroup var rate: RateOptions
  @OptionGroup var load: LoadOptions

  @OptionGroup var deployed: BenchDeploymentOptions

  func run() async throws {
    try await self.exiting {
      let options = try self.deployed.deployment()
      let report = try await ProgressScreen.during { try await self.measure(options, $0) }
      try report.print(asJSON: self.deployed.json)
      try report.soundness.require()
    }
  }

  private func measure(
    _ options: Deployment.Options, _ screen: ProgressScreen
  ) async throws -> MailboxReport {
    var keeping = options
    keeping.keepEverything()
    var pairs = options
    pairs.allowBacklog()
    pairs.keepShortHistory()
    let measured = MailboxMeasurement(bodyBytes: self.load.bodyBytes, screen: screen)
    screen.event("part 1 of 3: memory of \(self.users) users")
    let (setup, memory) = try await BenchStand.deploying(keeping) { stand in
      (stand.setup, try await measured.memory(ofUsers: self.users, on: stand))
    }
    screen.event("part 2 of 3: replays of \(self.entries.text) entries")
    let replays = try await BenchStand.deploying(keeping) { stand in
      try await measured.replays(of: self.entries.values, on: stand)
    }
    screen.event("part 3 of 3: messages beside \(self.mailboxes.text) mailboxes")
    let (rows, totals) = try await BenchStand.deploying(pairs) { stand in
      try await LoadBesideMailboxes(
        mailboxes: self.mailboxes.values, rate: self.rate.rate, window: nil, load: self.load,
        screen: screen
      ).rows(on: stand)
    }
    return MailboxReport(
      setup: setup, bodyBytes: self.load.bodyBytes, rate: self.rate.rate, memory: memory,
      replays: replays, stored: rows.map(MailboxReport.Stored.init), totals: totals)
  }
}
