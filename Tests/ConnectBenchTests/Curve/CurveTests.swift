import Foundation
import Settings
import Testing

@testable import ConnectBench

@Suite("A curve")
struct CurveTests {
  private typealias Point = CurveReport.Point

  private static func point(
    _ rate: Int, cpu: Double? = 100, p50: Double = 1, p99: Double = 2, delivered: Double? = nil,
    rejected: Int = 0, disconnected: Int = 0
  ) -> Point {
    Point(
      rate: rate, deliveredPerSecond: delivered ?? Double(rate), rejected: rejected,
      disconnected: disconnected, generatorShare: 0.5,
      cpuMicrosecondsPerMessage: cpu.map {
        CPUCost(gateways: $0 / 2, messaging: $0 / 4, redis: $0 / 4, all: $0, loadGenerator: 5)
      },
      latencyP50Milliseconds: p50, latencyP99Milliseconds: p99, commandsPerMessage: 8)
  }

  private static func report(
    _ rounds: [[Point]], setup: BenchSetup = .plain, connections: Int = 200
  ) -> CurveReport {
    CurveReport(
      setup: setup, connections: connections, bodyBytes: 200, secondsPerRate: 10, idle: nil,
      rounds: rounds, soundness: Soundness(Ledger.Totals(accepted: 9)))
  }

  @Test("goes from 50 to 60,000 a second, each rate one and a half of the one before")
  func standardRates() {
    let rates = CurveRates.standard.values
    #expect(rates.first == 50 && rates.last == 60_000)
    #expect(Array(rates.prefix(4)) == [50, 75, 112, 168])
    for (from, to) in zip(rates, rates.dropFirst()) {
      #expect(Double(to) / Double(from) <= 1.51, "\(from)")
    }
  }

  @Test("names each rise of more than 5 % of CPU, and of more than 20 % of p99")
  func steps() {
    let steps = CurveReport.steps(between: [
      Self.point(100, cpu: 100, p99: 2), Self.point(150, cpu: 104.9, p99: 2.39),
      Self.point(225, cpu: 110.3, p99: 2.9), Self.point(337, cpu: 90, p99: 5.8),
      Self.point(506, cpu: 900, p99: 90, delivered: 400),
    ])
    #expect(steps.map(\.figure) == [.cpu, .p99, .p99])
    #expect(steps.map(\.from) == [150, 150, 225])
    #expect(steps.map(\.to) == [225, 225, 337])
    #expect(abs(steps[2].percent - 100) < 0.001)
    #expect(
      CurveReport.steps(between: [Self.point(1, cpu: nil), Self.point(2, cpu: nil)]) == [])
  }

  @Test("of several rounds has medians, at the rates that most have measured")
  func medians() throws {
    let report = Self.report([
      [Self.point(100, cpu: 90, p99: 9), Self.point(150, p50: 1)],
      [Self.point(100, cpu: 80, p99: 2), Self.point(150, p50: 3)],
      [Self.point(100, cpu: 10, p99: 3, delivered: 100), Self.point(225)],
    ])
    #expect(report.rounds == 3)
    #expect(report.points.map(\.rate) == [100, 150])
    let first = try #require(report.points.first)
    #expect(first.cpuMicrosecondsPerMessage?.all == 80)
    #expect(first.latencyP99Milliseconds == 3)
    #expect(report.points.last?.latencyP50Milliseconds == 2)
  }

  @Test("tells a rate that is not reached, and what was delivered of it")
  func end() {
    let report = Self.report([[Self.point(100), Self.point(150, delivered: 120.4)]])
    #expect(report.points.map(\.isReached) == [true, false])
    #expect(report.table().contains("not reached: of 150 a second, 120 were delivered"))
    #expect(!Self.report([[Self.point(100, delivered: 96)]]).table().contains("not reached"))
  }

  @Test("does not reach a rate of which messages were rejected, or at which a connection ended")
  func overload() {
    let rejected = Self.point(100, delivered: 99, rejected: 1_200)
    #expect(!rejected.isReached && rejected.ending.hasSuffix("; 1200 messages were rejected"))
    let ended = Self.point(100, delivered: 99, disconnected: 1)
    #expect(!ended.isReached && ended.ending.hasSuffix("; 1 connection ended"))
    // In most rounds it was reached.
    #expect(Point.median(of: [rejected, Self.point(100), Self.point(100)])?.isReached == true)
    #expect(Point.median(of: [rejected, Self.point(100), rejected])?.isReached == false)
    let chart = CurveChart.chart(of: Self.report([[Self.point(50), rejected]]), comparedWith: nil)
    #expect(chart.panels[0].series[0].points.map(\.isHollow) == [false, true])
    #expect(chart.notes.last == "hollow: a rate that was not reached")
  }

  @Test("is compared with an earlier one rate by rate")
  func comparison() throws {
    let earlier = Self.report([[Self.point(100, cpu: 200, p50: 4, p99: 8)]])
    let report = Self.report([[Self.point(100), Self.point(150)]])
    let lines = report.table(comparedWith: earlier).split(separator: "\n")
    #expect(lines.contains { $0.hasSuffix("all/before  p50/before  p99/before") })
    func ratios(_ rate: String) -> [Substring]? {
      lines.first { $0.hasPrefix("\(rate) ") }?.split(separator: " ").suffix(3)
    }
    #expect(ratios("100") == ["0.50", "0.25", "0.25"])
    #expect(ratios("150") == ["-", "-", "-"])
    let chart = CurveChart.chart(of: report, comparedWith: earlier)
    #expect(chart.panels.map(\.series.count) == [8, 4])
    #expect(chart.panels[0].series.map(\.isDashed).count(where: \.self) == 4)
    #expect(CurveChart.chart(of: report, comparedWith: nil).panels.map(\.series.count) == [4, 2])
  }

  @Test("names what was measured otherwise than in the earlier one")
  func differences() {
    var setup = BenchSetup.plain
    setup.aof = "everysec"
    setup.machine = Machine(processor: nil, cores: 8, system: "Linux 6")
    let report = Self.report([[Self.point(100)]], setup: setup)
    let earlier = Self.report([[Self.point(100)]], connections: 10)
    #expect(
      report.differences(from: earlier) == [
        "machine: Model, 2 cores, Linux 6 then, processor not known, 8 cores, Linux 6 now",
        "AOF: no then, everysec now", "connections: 10 then, 200 now",
      ])
    let table = report.table(comparedWith: earlier)
    #expect(table.contains("measured otherwise:\n  machine: "))
    let notes = CurveChart.chart(of: report, comparedWith: earlier).notes
    #expect(notes.contains("AOF: no then, everysec now"))
    #expect(earlier.differences(from: earlier) == [])
    #expect(earlier.table(comparedWith: earlier).contains("measured in the same way"))
  }

  @Test("is read from what was printed; another file is refused with its option and what to give")
  func file() throws {
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("curve-\(UInt64.random(in: .min ... .max))")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let path = directory.appendingPathComponent("curve.json").path
    let report = Self.report([[Self.point(100), Self.point(150, cpu: nil)]])
    try Data(try report.json().utf8).write(to: URL(fileURLWithPath: path))
    let read = try CurveReport.read(path, option: "--compare")
    #expect(read.points == report.points && read.setup == report.setup)
    #expect(read.steps == report.steps)

    for (text, says) in [("{}", "is not what"), (nil, "cannot be read")] as [(String?, String)] {
      let other = directory.appendingPathComponent("other-\(says.count).json").path
      if let text { try Data(text.utf8).write(to: URL(fileURLWithPath: other)) }
      let failure = #expect(throws: Failure.self) {
        try CurveReport.read(other, option: "--compare")
      }
      #expect(failure?.description.hasPrefix("--compare: '\(other)' \(says)") == true)
    }
  }
}
