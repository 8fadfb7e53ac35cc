import Foundation
import MessageBus
import Settings

/// What messages cost, and how long they take, at one rate after the other.
struct CurveReport: Report, Decodable {
  /// The figures at one rate.
  struct Point: Codable, Hashable {
    /// Messages per second that were sent.
    let rate: Int
    /// While they were sent.
    let deliveredPerSecond: Double
    /// Messages that were rejected, with those behind them of the same senders.
    let rejected: Int
    /// Connections that ended.
    let disconnected: Int
    /// See ``GeneratorShare``.
    let generatorShare: Double
    /// Per accepted message; nil where the system does not tell.
    let cpuMicrosecondsPerMessage: CPUCost?
    let latencyP50Milliseconds: Double
    let latencyP99Milliseconds: Double
    /// Of all primaries; nil if no Redis was started.
    let commandsPerMessage: Double?

    /// Whether so many were delivered as were sent.
    var isReached: Bool {
      self.rejected == 0 && self.disconnected == 0
        && self.deliveredPerSecond >= Double(self.rate) * CurveLimits.reachedShare
    }

    /// What became of a rate that was not reached.
    var ending: String {
      "not reached: of \(self.rate) a second, \(CurveReport.decimal(self.deliveredPerSecond, 0)) were delivered"
        + (self.rejected > 0 ? "; \(self.rejected) messages were rejected" : "")
        + (self.disconnected > 0
          ? "; \(CurveReport.count(self.disconnected, "connection")) ended" : "")
        + (self.generatorShare >= GeneratorShare.limit
          ? "; the load generator's core was busy" : "")
    }

    /// Each figure alone.
    static func median(of points: [Point]) -> Point? {
      guard let first = points.first else { return nil }
      func median(_ figure: (Point) -> Double?) -> Double? { points.compactMap(figure).median }
      return Point(
        rate: first.rate,
        deliveredPerSecond: median { $0.deliveredPerSecond } ?? 0,
        rejected: Int(median { Double($0.rejected) } ?? 0),
        disconnected: Int(median { Double($0.disconnected) } ?? 0),
        generatorShare: median { $0.generatorShare } ?? 0,
        cpuMicrosecondsPerMessage: CPUCost.median(
          of: points.compactMap(\.cpuMicrosecondsPerMessage)),
        latencyP50Milliseconds: median { $0.latencyP50Milliseconds } ?? 0,
        latencyP99Milliseconds: median { $0.latencyP99Milliseconds } ?? 0,
        commandsPerMessage: median { $0.commandsPerMessage })
    }
  }

  /// A figure that rises from one rate to the next by more than it should.
  struct Step: Codable, Hashable {
    enum Figure: String, Codable {
      case cpu = "CPU per message"
      case p99 = "p99"
    }

    let figure: Figure
    let from: Int
    let to: Int
    let percent: Double
  }

  /// `curve`: tells the file from that of another benchmark.
  let benchmark: String
  let version: String
  let setup: BenchSetup
  let connections: Int
  let bodyBytes: Int
  let secondsPerRate: Int
  /// How often each rate was measured: its figures are medians.
  let rounds: Int
  /// CPU time in a second in which nobody writes, in microseconds: it is part of what messages cost. Nil where
  /// the system does not tell.
  let idleCPUMicrosecondsPerSecond: CPUCost?
  /// By rising rates. The last one may not have been reached.
  let points: [Point]
  let steps: [Step]
  /// Of all messages, those before the first rate included; but for what was under way when a connection ended.
  let soundness: Soundness

  static let name = "curve"

  /// - Parameter rounds: the points of each round.
  init(
    setup: BenchSetup, connections: Int, bodyBytes: Int, secondsPerRate: Int,
    idle: CPUCost?, rounds: [[Point]], soundness: Soundness
  ) {
    self.benchmark = Self.name
    self.version = ConnectVersion.text
    self.setup = setup
    self.connections = connections
    self.bodyBytes = bodyBytes
    self.secondsPerRate = secondsPerRate
    self.rounds = rounds.count
    self.idleCPUMicrosecondsPerSecond = idle
    self.points = Self.merged(rounds)
    self.steps = Self.steps(between: self.points)
    self.soundness = soundness
  }

  /// Reads what an earlier run has printed with `--json`.
  ///
  /// - Parameter option: the option that names the file.
  static func read(_ path: String, option: String) throws(Failure) -> CurveReport {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw Failure.usage("\(option): '\(path)' cannot be read; give a file that is there")
    }
    guard let report = try? JSONDecoder().decode(CurveReport.self, from: data),
      report.benchmark == Self.name
    else {
      throw Failure.usage(
        "\(option): '\(path)' is not what `connect-bench curve --json` prints; give it such a file")
    }
    return report
  }

  // MARK: Figures

  /// The medians at each rate that was measured in every round, or in most.
  static func merged(_ rounds: [[Point]]) -> [Point] {
    let byRate = Dictionary(grouping: rounds.joined(), by: \.rate)
    return byRate.keys.sorted().compactMap { rate in
      let points = byRate[rate] ?? []
      return points.count * 2 > rounds.count ? Point.median(of: points) : nil
    }
  }

  /// Where a figure rises by more than it should between neighbours that were reached.
  static func steps(between points: [Point]) -> [Step] {
    let reached = points.filter(\.isReached)
    return zip(reached, reached.dropFirst()).flatMap { from, to -> [Step] in
      func step(
        _ figure: Step.Figure, _ before: Double?, _ after: Double?, limit: Double
      ) -> Step? {
        guard let before, let after, before > 0 else { return nil }
        let percent = (after / before - 1) * 100
        return percent > limit
          ? Step(figure: figure, from: from.rate, to: to.rate, percent: percent) : nil
      }
      return [
        step(
          .cpu, from.cpuMicrosecondsPerMessage?.all, to.cpuMicrosecondsPerMessage?.all,
          limit: CurveLimits.cpuStepPercent),
        step(
          .p99, from.latencyP99Milliseconds, to.latencyP99Milliseconds,
          limit: CurveLimits.p99StepPercent),
      ].compactMap(\.self)
    }
  }

  // MARK: The table

  func table() -> String { self.table(comparedWith: nil) }

  /// - Parameter earlier: a run to compare with, at the rates that both have.
  func table(comparedWith earlier: CurveReport?) -> String {
    var titles = ["rate", "delivered", "rejected"] + CPUCost.titles
    titles += ["commands", "p50 ms", "p99 ms", GeneratorShare.title]
    if earlier != nil { titles += ["all/before", "p50/before", "p99/before"] }
    let rows = self.points.map { point in
      var row = ["\(point.rate)", Self.decimal(point.deliveredPerSecond, 0), "\(point.rejected)"]
      row += CPUCost.cells(point.cpuMicrosecondsPerMessage)
      row += [
        point.commandsPerMessage.map { Self.decimal($0) } ?? "-",
        Self.decimal(point.latencyP50Milliseconds, 2),
        Self.decimal(point.latencyP99Milliseconds, 2), GeneratorShare.text(point.generatorShare),
      ]
      if let earlier { row += Self.ratios(point, earlier.points) }
      return row
    }
    var lines = self.setup.lines()
    lines += earlier.map(self.comparisonLines) ?? []
    lines.append("CPU per message in microseconds, over messages per second")
    lines += Self.columns([titles] + rows)
    lines += GeneratorShare.lines(self.points.map(\.generatorShare))
    lines += ["", self.idleLine] + self.endLines + self.steps.map(Self.line)
    if self.steps.isEmpty {
      lines.append(
        "no step: between neighbours CPU rises by at most \(Self.percent(CurveLimits.cpuStepPercent)), "
          + "p99 by \(Self.percent(CurveLimits.p99StepPercent))")
    }
    lines += self.soundness.lines
    return lines.joined(separator: "\n")
  }

  private static func ratios(_ point: Point, _ earlier: [Point]) -> [String] {
    guard let before = earlier.first(where: { $0.rate == point.rate }) else {
      return ["-", "-", "-"]
    }
    func ratio(_ figure: (Point) -> Double?) -> String {
      guard let now = figure(point), let then = figure(before), then > 0 else { return "-" }
      return Self.decimal(now / then, 2)
    }
    return [
      ratio { $0.cpuMicrosecondsPerMessage?.all }, ratio { $0.latencyP50Milliseconds },
      ratio { $0.latencyP99Milliseconds },
    ]
  }

  private func comparisonLines(_ earlier: CurveReport) -> [String] {
    let differences = self.differences(from: earlier)
    let builds = "compared with Connect \(earlier.version)"
    return differences.isEmpty
      ? ["\(builds), measured in the same way", ""]
      : ["\(builds), which was measured otherwise:"] + differences.map { "  \($0)" } + [""]
  }

  private var idleLine: String {
    guard let idle = self.idleCPUMicrosecondsPerSecond else { return "idle: not known" }
    let figures = zip(CPUCost.titles, idle.cells).map { "\($0) \($1)" }
    return "idle, in microseconds per second: " + figures.joined(separator: ", ")
  }

  private var endLines: [String] {
    guard let last = self.points.last, !last.isReached else { return [] }
    return [last.ending]
  }

  private static func line(_ step: Step) -> String {
    "step: \(step.figure.rawValue) rises by \(Self.percent(step.percent)) from \(step.from) "
      + "to \(step.to) a second"
  }

  private static func percent(_ number: Double) -> String { "\(Self.decimal(number, 0)) %" }
}
