import ArgumentParser
import ConnectProtocol
import Foundation
import Gateway
import NIOCore
import NIOPosix
import Settings

struct BenchChatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat",
    abstract: "Pairs of users write to each other at a steady rate.",
    discussion: """
      Exits with 1 if a message that was accepted was lost, repeated or reordered. The rate is \
      kept whatever becomes of the messages before, and latency counts from when a message was \
      due.
      """)

  /// Time to wait, after the last message, for everything under way, in seconds.
  static let settleSeconds = 30

  private enum Default {
    static let connections = 200
    static let rate = 2_000
    static let seconds = 10
    static let bodyBytes = 200
  }

  @Option(
    help: "Connections: half as many pairs (default: \(Default.connections)).",
    transform: ArgumentRules.evenNumber(2...BenchLimits.connections))
  var connections = Default.connections

  @Option(
    help: "Messages per second, of all users together (default: \(Default.rate)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.messagesPerSecond))
  var rate = Default.rate

  @Option(
    help: "How long to send, in seconds (default: \(Default.seconds)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.seconds))
  var seconds = Default.seconds

  @Option(
    help: "Length of a message's body, in bytes (default: \(Default.bodyBytes)).",
    transform: ArgumentRules.wholeNumber(2...BenchLimits.bodyBytes))
  var bodyBytes = Default.bodyBytes

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
  }

  func run() async throws {
    try await self.exiting {
      let screen = ProgressScreen(shownEvery: 1)
      let report = try await BenchStand.with(self.bench, adjust: self.adjust) {
        try await self.measure($0, screen)
      }
      screen.end()
      try report.print(asJSON: self.bench.deployed.json)
      guard report.isSound else {
        throw Failure(.running, "messages were lost, repeated or reordered: see above")
      }
    }
  }

  private func measure(
    _ stand: BenchStand, _ screen: ProgressScreen
  ) async throws -> BenchReport {
    let run = BenchRun(
      eventLoop: MultiThreadedEventLoopGroup.singleton.next(), bodyBytes: self.bodyBytes,
      traits: self.traits)
    try await BenchUsers.open(self.connections, run: run, stand: stand, screen)
    let askers = try await self.openAskers(stand, screen)

    let processes =
      stand.processes + [
        MeasuredProcess(
          name: "load generator", processIdentifier: ProcessInfo.processInfo.processIdentifier)
      ]
    let primariesBefore = try await stand.primaryCounts()
    let before = processes.map { ProcessUsage(of: $0.processIdentifier) }
    let start = ContinuousClock.now
    // Ends with this scope.
    async let _ = Self.showStatus(run, screen)
    askers?.eventLoop.execute { [askerRate] in askers?.begin(requestsPerSecond: askerRate) }
    try await run.eventLoop.flatSubmit { [rate, seconds] in
      run.send(rate: rate, seconds: seconds)
    }.get()
    try await self.settle(run)
    let elapsed = ContinuousClock.now - start
    let after = processes.map { ProcessUsage(of: $0.processIdentifier) }
    let primaries = zip(try await stand.primaryCounts(), primariesBefore).map { $0 - $1 }

    var asking: BenchReport.Asking?
    if let askers { asking = try await Self.end(askers, after: elapsed) }
    let ledger = try await run.eventLoop.submit { run.ledger }.get()
    try await run.eventLoop.submit { run.close() }.get()
    return BenchReport(
      setup: stand.setup, connections: self.connections, rate: self.rate, bodyBytes: self.bodyBytes,
      elapsed: elapsed, totals: ledger.totals, latencies: ledger.latencies,
      asking: asking,
      processes: zip(processes, zip(before, after)).map { process, usage in
        BenchReport.Process(name: process.name, before: usage.0, after: usage.1)
      }, primaries: primaries)
  }

  private func openAskers(
    _ stand: BenchStand, _ screen: ProgressScreen
  ) async throws -> Askers? {
    guard let count = self.askers else { return nil }
    let askers = Askers(count, bodyBytes: self.bodyBytes)
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

  var traits: BenchTraits {
    var traits = self.likePeople ? BenchTraits.likePeople : BenchTraits()
    if self.receipts { traits.receipts = true }
    if self.copies { traits.copies = true }
    return traits
  }

  /// Waits until every send is answered and every accepted message has arrived.
  private func settle(_ run: BenchRun) async throws {
    _ = try? await eventually("the last messages", limit: .seconds(Self.settleSeconds)) {
      let totals = try await run.eventLoop.submit { run.ledger.totals }.get()
      return totals.unanswered == 0 && totals.lost == 0 ? true : nil
    }
  }

  private static func showStatus(_ run: BenchRun, _ screen: ProgressScreen) async {
    var seconds = 0
    while (try? await Task.sleep(for: .seconds(1))) != nil {
      seconds += 1
      let totals = try? await run.eventLoop.submit { run.ledger.totals }.get()
      guard let totals else { return }
      screen.status(
        "\(seconds) s: sent \(totals.sent), accepted \(totals.accepted), "
          + "delivered \(totals.shown)")
    }
  }
}
