import ArgumentParser
import Foundation
import NIOCore
import NIOPosix
import Settings

struct BenchCurveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "curve",
    abstract: "CPU per message and latency over the rate, as a table and as a picture.",
    discussion: """
      Pairs of users write to each other, as with `chat`, at one rate after the other, until one is not \
      reached. Says between which neighbours CPU per message rises by more than \
      \(Int(CurveLimits.cpuStepPercent)) %, or the 99th percentile of latency by more than \
      \(Int(CurveLimits.p99StepPercent)) %. Exits with 1 if a message that was accepted was lost, repeated \
      or reordered.

      To compare two builds, run each with --json into a file, in turn, and then \
      `connect-bench curve --read after.json --compare before.json --svg curve.svg`.
      """)

  @Option(
    help: ArgumentHelp(
      """
      Messages per second, of all users together (default: from \(CurveRates.lowest) to \
      \(CurveRates.highest), each \(CurveRates.factor) times the one before).
      """,
      valueName: "rates"),
    transform: ArgumentRules.risingNumbers(1...BenchLimits.messagesPerSecond))
  var rates = CurveRates.standard

  @Option(
    help: "Connections: half as many pairs (default: \(CurveLimits.connections)).",
    transform: ArgumentRules.evenNumber(2...BenchLimits.connections))
  var connections = CurveLimits.connections

  @Option(
    help: "How long to send at each rate, in seconds (default: \(CurveLimits.seconds)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.seconds))
  var seconds = CurveLimits.seconds

  @Option(
    help: "How often to measure each rate, for medians (default: \(CurveLimits.rounds)).",
    transform: ArgumentRules.wholeNumber(1...CurveLimits.mostRounds))
  var rounds = CurveLimits.rounds

  @Option(
    help: "Length of a message's body, in bytes (default: \(BenchLimits.usualBodyBytes)).",
    transform: ArgumentRules.wholeNumber(2...BenchLimits.bodyBytes))
  var bodyBytes = BenchLimits.usualBodyBytes

  @Option(help: ArgumentHelp("A file for the picture (default: none).", valueName: "file"))
  var svg: String?

  @Option(
    help: ArgumentHelp(
      "What --json has printed earlier, to lay the curves over (default: none).", valueName: "file")
  )
  var compare: String?

  @Option(
    help: ArgumentHelp(
      "The same, to show instead of measuring (default: none).", valueName: "file"))
  var read: String?

  @OptionGroup var bench: BenchOptions

  func run() async throws {
    try await self.exiting {
      // Asked for first: a wrong name is known before minutes of measuring.
      let earlier = try self.earlier()
      let report: CurveReport
      if let read = self.read {
        report = try CurveReport.read(read, option: "--read")
      } else {
        let screen = ProgressScreen(shownEvery: 1)
        report = try await BenchStand.with(self.bench) { try await self.measure($0, screen) }
        screen.end()
      }
      let isJSON = self.bench.deployed.json
      print(try isJSON ? report.json() : report.table(comparedWith: earlier))
      try self.draw(report, earlier)
      guard report.isSound else {
        throw Failure(.running, "messages were lost, repeated or reordered: see above")
      }
    }
  }

  private func earlier() throws -> CurveReport? {
    try self.compare.map { try CurveReport.read($0, option: "--compare") }
  }

  private func draw(_ report: CurveReport, _ earlier: CurveReport?) throws {
    guard let svg = self.svg else { return }
    do {
      let chart = CurveChart.chart(of: report, comparedWith: earlier)
      try Data(chart.svg().utf8).write(to: URL(fileURLWithPath: svg))
    } catch {
      throw Failure(
        .running, "--svg: '\(svg)' cannot be written: \(error.localizedDescription)")
    }
  }

  private func measure(
    _ stand: BenchStand, _ screen: ProgressScreen
  ) async throws -> CurveReport {
    let run = BenchRun(
      eventLoop: MultiThreadedEventLoopGroup.singleton.next(), bodyBytes: self.bodyBytes)
    try await BenchUsers.open(self.connections, run: run, stand: stand, screen)
    let perSecond = CurveLimits.warmUpMessagesPerSecond
    screen.event("warming up")
    _ = try await MeasuredLoad.measure(
      .open(rate: self.connections * perSecond),
      seconds: CurveLimits.warmUpMessages / perSecond, of: run, on: stand)
    let idle = try await self.idle(stand)
    var rounds: [[CurveReport.Point]] = []
    for round in 1...self.rounds {
      rounds.append(try await self.round(round, run, stand, screen))
    }
    let totals = try await run.eventLoop.submit {
      defer { run.close() }
      return run.ledger.totals
    }.get()
    return CurveReport(
      setup: stand.setup, connections: self.connections, bodyBytes: self.bodyBytes,
      secondsPerRate: self.seconds, idle: idle, rounds: rounds, totals: totals)
  }

  /// What a second costs in which nobody writes.
  private func idle(_ stand: BenchStand) async throws -> CPUCost? {
    let before = try await StandReading(of: stand)
    try await Task.sleep(for: .seconds(self.seconds))
    let after = try await StandReading(of: stand)
    return CPUCost(after.microseconds(since: before), per: after.seconds(since: before))
  }

  /// All rates, up to the first that is not reached.
  private func round(
    _ round: Int, _ run: BenchRun, _ stand: BenchStand, _ screen: ProgressScreen
  ) async throws -> [CurveReport.Point] {
    let rates = self.rates.values
    var points: [CurveReport.Point] = []
    for (index, rate) in rates.enumerated() {
      let ahead = (self.rounds - round + 1) * rates.count - index
      async let _ = screen.follow { [rounds, seconds] elapsed in
        let left = ahead * (seconds + CurveLimits.overheadSeconds) - elapsed
        return (rounds > 1 ? "round \(round) of \(rounds), " : "")
          + "\(rate) a second: \(elapsed) s; at most \(TimeLeft.text(seconds: left))"
      }
      let load = try await MeasuredLoad.measure(
        .open(rate: rate), seconds: self.seconds, of: run, on: stand)
      let point = CurveReport.Point(rate: rate, load)
      points.append(point)
      guard point.isReached else {
        screen.event(
          "\(rate) a second were not reached: \(Int(point.deliveredPerSecond)) were delivered")
        break
      }
    }
    return points
  }
}

extension CurveReport.Point {
  fileprivate init(rate: Int, _ load: MeasuredLoad) {
    self.init(
      rate: rate, deliveredPerSecond: load.sent.deliveredPerSecond,
      cpuMicrosecondsPerMessage: load.cost,
      latencyP50Milliseconds: load.latencies.percentile(50) / .milliseconds(1),
      latencyP99Milliseconds: load.latencies.percentile(99) / .milliseconds(1),
      commandsPerMessage: load.commandsPerMessage)
  }
}
