import Testing

@testable import ConnectBench

@Suite("The report of sizes")
struct ScaleReportTests {
  private static var report: ScaleReport {
    ScaleReport(setup: .plain, connections: 200, bodyBytes: 200, rate: 2_000, window: 16)
  }

  @Test("has a row for each size")
  func table() {
    var report = Self.report
    for shards in 1...2 {
      report.add(
        ScaleReport.Row(
          shards: shards, gateways: 3, mailboxes: 1_000,
          cpuMicrosecondsPerMessage: CPUCost(
            gateways: 100, messaging: 50, redis: 60, all: 210, loadGenerator: 9),
          latencyP50Milliseconds: 1, latencyP99Milliseconds: 4.5, commandsPerMessage: 9.7,
          maximumPerSecond: 20_000.4, maximumCPUMicrosecondsPerMessage: nil,
          generatorShare: 0.42))
    }
    let cells = report.table().split(separator: "\n").map {
      $0.split(separator: " ").map(String.init)
    }
    #expect(
      cells.last == [
        "2", "3", "1000", "100", "50.0", "60.0", "210", "9.7", "1.00", "4.50", "20000", "-", "42",
        "%",
      ])
    // The machine, the deployment, the title, the titles of the columns, and the rows.
    #expect(cells.count == 6)
  }

  @Test("counts the messages of all deployments")
  func sound() {
    var report = Self.report
    report.count(Ledger.Totals(accepted: 3, lost: 1))
    report.count(Ledger.Totals(accepted: 4))
    #expect(report.soundness.accepted == 7 && !report.soundness.isSound)
    #expect(report.table().hasSuffix("lost 1, repeated 0, reordered 0"))
  }
}
