import Testing

@testable import ConnectBench

@Suite("The report of sizes")
struct ScaleReportTests {
  private static var report: ScaleReport {
    var options = Deployment.Options(executable: "connect")
    options.redis = .cluster
    options.persistence = .appendOnly(fsync: .everySecond)
    return ScaleReport(
      options, partitions: 16, connections: 200, bodyBytes: 200, rate: 2_000, window: 16)
  }

  @Test("has a row for each size")
  func table() {
    var report = Self.report
    #expect(report.redis == "cluster" && report.aof == "everysec")
    for shards in 1...2 {
      report.add(
        ScaleReport.Row(
          shards: shards, gateways: 3, mailboxes: 1_000,
          cpuMicrosecondsPerMessage: CPUCost(
            gateways: 100, messaging: 50, redis: 60, all: 210, loadGenerator: 9),
          latencyP50Milliseconds: 1, latencyP99Milliseconds: 4.5, commandsPerMessage: 9.7,
          mostPerSecond: 20_000.4, mostCPUMicrosecondsPerMessage: nil))
    }
    let cells = report.table().split(separator: "\n").map {
      $0.split(separator: " ").map(String.init)
    }
    #expect(
      cells.last == [
        "2", "3", "1000", "100", "50.0", "60.0", "210", "9.7", "1.00", "4.50", "20000", "-",
      ])
    #expect(cells.count == 4)
  }

  @Test("is sound only if no deployment lost, repeated or reordered a message")
  func sound() {
    for totals in [
      Ledger.Totals(lost: 1), .init(repeated: 1), .init(reordered: 1), .init(garbled: 1),
    ] {
      var report = Self.report
      report.count(Ledger.Totals())
      #expect(report.isSound)
      report.count(totals)
      report.count(Ledger.Totals())
      #expect(!report.isSound)
      #expect(report.table().hasSuffix("reordered \(totals.reordered)"))
    }
  }
}
