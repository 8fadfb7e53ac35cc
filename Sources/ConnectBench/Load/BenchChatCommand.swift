import ArgumentParser
import ConnectProtocol
import Gateway
import NIOCore
import NIOPosix
import Settings

struct BenchChatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat",
    abstract: "Pairs of users write to each other at a steady rate, or as fast as they can.",
    discussion: """
      Exits with 1 if a message that was accepted was lost, repeated or reordered. The rate is \
      kept whatever becomes of the messages before, and latency counts from when a message was \
      due. With --window there is no rate: each user writes again when a message has arrived, and \
      latency counts from when it was written.
      """)

  @OptionGroup var load: LoadOptions

  @Option(
    help: "Messages per second, of all users together (default: \(BenchLimits.usualRate)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.messagesPerSecond))
  var rate: Int?

  @Option(
    help: """
      Instead of a rate: messages that each user keeps under way, from when one is written until it \
      is with its recipient.
      """,
    transform: ArgumentRules.wholeNumber(1...BenchLimits.window))
  var window: Int?

  @Flag(
    help: "Each message asks for a receipt, and each user says once a second what it has read.")
  var receipts = false

  @Flag(help: "Each message is copied to its sender.")
  var copies = false

  @Flag(
    help: """
      As in an app: each message is copied, delivered and read, every other one is announced by a typing \
      signal, each connection asks for the list of conversations, a third of the users have two devices, \
      a tenth are offline.
      """)
  var likePeople = false

  @Option(
    help: """
      Further users, at least 2, who ask for lists and history as fast as they may, each of a mailbox of \
      \(Askers.messages) unread messages that is filled before (default: none).
      """,
    transform: ArgumentRules.wholeNumber(2...BenchLimits.connections))
  var askers: Int?

  @Option(
    help: """
      Requests per second of each of them, whatever the gateway allows (default: what it allows).
      """,
    transform: ArgumentRules.wholeNumber(1...BenchLimits.requestsPerSecond))
  var askerRate: Int?

  @OptionGroup var bench: BenchOptions

  func validate() throws {
    guard self.askerRate == nil || self.askers != nil else {
      throw ValidationError("--asker-rate is about those of --askers: say how many there are")
    }
    guard self.rate == nil || self.window == nil else {
      throw ValidationError("--rate and --window: name one of them")
    }
    try ArgumentRules.check(window: self.window ?? 0, self.load)
  }

  func run() async throws {
    try await self.exiting {
      let report = try await ProgressScreen.during { screen in
        try await BenchStand.with(self.bench, adjust: self.adjust) {
          try await self.measure($0, screen)
        }
      }
      try report.print(asJSON: self.bench.deployed.json)
      try report.soundness.require()
    }
  }

  private func measure(
    _ stand: BenchStand, _ screen: ProgressScreen
  ) async throws -> BenchReport {
    let run = BenchRun(
      eventLoop: MultiThreadedEventLoopGroup.singleton.next(), bodyBytes: self.load.bodyBytes,
      traits: self.traits)
    try await BenchUsers.open(self.load.connections, run: run, stand: stand, screen)
    let askers = try await self.openAskers(stand, screen)

    // Ends with this scope.
    async let _ = Self.showStatus(run, seconds: self.load.seconds, screen)
    askers?.eventLoop.execute { [askerRate] in askers?.begin(requestsPerSecond: askerRate) }
    let load = try await MeasuredLoad.measure(
      self.pace, seconds: self.load.seconds, of: run, on: stand, toleratesDisconnects: true)
    var asking: BenchReport.Asking?
    if let askers { asking = try await Self.end(askers, after: load.elapsed) }
    try await run.eventLoop.submit { run.close() }.get()
    return BenchReport(
      setup: stand.setup, connections: self.load.connections, pace: self.pace,
      bodyBytes: self.load.bodyBytes, load: load, asking: asking,
      processes: (stand.processes + [.loadGenerator]).map(\.name))
  }

  private func openAskers(
    _ stand: BenchStand, _ screen: ProgressScreen
  ) async throws -> Askers? {
    guard let count = self.askers else { return nil }
    let askers = Askers(count, bodyBytes: self.load.bodyBytes)
    try await askers.open(on: stand, screen)
    return askers
  }

  private static func end(
    _ askers: Askers, after elapsed: Duration
  ) async throws -> BenchReport.Asking {
    let report = try await askers.eventLoop.submit {
      try askers.checkSound()
      defer { askers.close() }
      return BenchReport.Asking(
        askers: askers.count, totals: askers.totals, elapsed: elapsed)
    }.get()
    try await askers.shutDown()
    return report
  }

  /// Askers are held to the default limit of requests. A deployment has no other limits of a user.
  private func adjust(_ deployment: inout Deployment.Options) {
    guard self.askers != nil else { return }
    deployment.gatewayArguments += [
      "--requests-per-second", "\(GatewayLimits.requestsPerSecond)",
    ]
  }

  var pace: SendingPace {
    self.window.map { .closed(window: $0) } ?? .open(rate: self.rate ?? BenchLimits.usualRate)
  }

  var traits: BenchTraits {
    var traits = self.likePeople ? BenchTraits.likePeople : BenchTraits()
    if self.receipts { traits.receipts = true }
    if self.copies { traits.copies = true }
    return traits
  }

  private static func showStatus(
    _ run: BenchRun, seconds: Int, _ screen: ProgressScreen
  ) async {
    await screen.follow { elapsed in
      guard let totals = try? await run.eventLoop.submit({ run.ledger.totals }).get() else {
        return nil
      }
      return "\(elapsed) s: sent \(totals.sent), accepted \(totals.accepted), "
        + "delivered \(totals.shown); \(TimeLeft.text(seconds: seconds - elapsed))"
    }
  }
}
