import ArgumentParser
import Foundation
import Settings

struct BenchCurveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "curve",
    abstract: "CPU per message and latency over the rate, as a table and as a picture.",
    discussion: """
      Pairs of users write to each other, as with `chat`, at one rate after the other, until one is not \
      reached: a twentieth of it is not delivered in time, or messages are rejected. Says between which \
      neighbours CPU per message rises by more than \(Int(CurveLimits.cpuStepPercent)) %, or the 99th \
      percentile of latency by more than \(Int(CurveLimits.p99StepPercent)) %. Exits with 1 if a message that \
      was accepted was lost, repeated or reordered.

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
    help: """
      How often to measure each rate, for medians, each time by new users \
      (default: \(CurveLimits.rounds)).
      """,
    transform: ArgumentRules.wholeNumber(1...CurveLimits.mostRounds))
  var rounds = CurveLimits.rounds

  @OptionGroup var load: LoadOptions

  @Option(help: ArgumentHelp("A file for the picture (default: none).", valueName: "file"))
  var svg: String?

  @Option(
    help: ArgumentHelp("JSON of an earlier run to compare with (default: none).", valueName: "file")
  )
  var compare: String?

  @Option(
    help: ArgumentHelp(
      "JSON of an earlier run to show instead of measuring (default: none).", valueName: "file"))
  var read: String?

  @OptionGroup var bench: BenchOptions

  func validate() throws {
    guard self.compare == nil || self.svg != nil || !self.bench.deployed.json else {
      throw ValidationError("--compare changes no JSON: leave out --json, or give --svg")
    }
    let given =
      (self.rates != CurveRates.standard ? ["--rates"] : [])
      + (self.rounds != CurveLimits.rounds ? ["--rounds"] : []) + self.load.given
      + (self.bench.url.isEmpty ? [] : ["--url"]) + self.bench.deployed.given
    guard self.read == nil || given.isEmpty else {
      throw ValidationError(
        "--read: nothing is measured then; leave out \(given.joined(separator: ", "))")
    }
  }

  func run() async throws {
    try await self.exiting {
      // What can be known before minutes of measuring is known before.
      let earlier = try self.compare.map { try CurveReport.read($0, option: "--compare") }
      try self.checkPicture()
      let report: CurveReport
      if let read = self.read {
        report = try CurveReport.read(read, option: "--read")
      } else {
        report = try await ProgressScreen.during { screen in
          try await BenchStand.with(self.bench, adjust: { $0.keepShortHistory() }) { stand in
            try await CurveMeasurement(
              rates: self.rates.values, rounds: self.rounds, load: self.load, stand: stand,
              screen: screen
            ).report()
          }
        }
      }
      let isJSON = self.bench.deployed.json
      print(try isJSON ? report.json() : report.table(comparedWith: earlier))
      try self.draw(report, earlier)
      try report.soundness.require()
    }
  }

  private func checkPicture() throws(Failure) {
    guard let svg = self.svg else { return }
    let files = FileManager.default
    var isDirectory: ObjCBool = false
    let isThere = files.fileExists(atPath: svg, isDirectory: &isDirectory)
    let directory = URL(fileURLWithPath: svg).deletingLastPathComponent().path
    guard !isDirectory.boolValue, files.isWritableFile(atPath: isThere ? svg : directory) else {
      throw Failure.usage(
        "--svg: '\(svg)' cannot be written; name a file in a directory that is there")
    }
  }

  private func draw(_ report: CurveReport, _ earlier: CurveReport?) throws(Failure) {
    guard let svg = self.svg else { return }
    do {
      let chart = CurveChart.chart(of: report, comparedWith: earlier)
      try Data(chart.svg().utf8).write(to: URL(fileURLWithPath: svg))
    } catch {
      throw Failure(
        .running, "--svg: '\(svg)' cannot be written: \(error.localizedDescription)")
    }
  }
}
