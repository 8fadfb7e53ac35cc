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

  @Option(
    help: """
      Connections beside stored mailboxes: half as many pairs \
      (default: \(MailboxLimits.connections)).
      """,
    transform: ArgumentRules.evenNumber(2...BenchLimits.connections))
  var connections = MailboxLimits.connections

  @Option(
    help: "Messages per second of all pairs together (default: \(MailboxLimits.rate)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.messagesPerSecond))
  var rate = MailboxLimits.rate

  @Option(
    help: """
      How long they write beside each number of mailboxes, in seconds \
      (default: \(MailboxLimits.seconds)).
      """,
    transform: ArgumentRules.wholeNumber(1...BenchLimits.seconds))
  var seconds = MailboxLimits.seconds

  @Option(
    help: "Length of a message's body, in bytes (default: \(BenchLimits.usualBodyBytes)).",
    transform: ArgumentRules.wholeNumber(2...BenchLimits.bodyBytes))
  var bodyBytes = BenchLimits.usualBodyBytes

  @OptionGroup var deployed: BenchDeploymentOptions

  func run() async throws {
    try await self.exiting {
      var options = try self.deployed.deployment()
      options.keepEverything()
      let screen = ProgressScreen(shownEvery: 1)
      let measured = MailboxMeasurement(bodyBytes: self.bodyBytes, screen: screen)
      screen.event("part 1 of 3: memory of \(self.users) users")
      let (setup, memory) = try await BenchStand.deploying(options) { stand in
        (stand.setup, try await measured.memory(ofUsers: self.users, on: stand))
      }
      screen.event("part 2 of 3: replays of \(self.entries.text) entries")
      let replays = try await BenchStand.deploying(options) { stand in
        try await measured.replays(of: self.entries.values, on: stand)
      }
      screen.event("part 3 of 3: messages beside \(self.mailboxes.text) mailboxes")
      let (stored, totals) = try await BenchStand.deploying(options) { stand in
        try await measured.load(
          beside: self.mailboxes.values, connections: self.connections,
          .open(rate: self.rate), seconds: self.seconds, on: stand)
      }
      screen.end()
      let report = MailboxReport(
        setup: setup, bodyBytes: self.bodyBytes, rate: self.rate, memory: memory,
        replays: replays, stored: stored, totals: totals)
      try report.print(asJSON: self.deployed.json)
      guard report.isSound else {
        throw Failure(.running, "messages were lost, repeated or reordered: see above")
      }
    }
  }
}
