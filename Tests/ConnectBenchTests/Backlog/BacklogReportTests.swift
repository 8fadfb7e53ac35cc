import Testing

@testable import ConnectBench

@Suite("The report of a backlog")
struct BacklogReportTests {
  private static let cost = CPUCost(
    gateways: 10, messaging: 20, redis: 30, all: 60, loadGenerator: 5)

  private static func report(
    delivered: [(Int, Duration)], totals: Ledger.Totals = .init()
  ) -> BacklogReport {
    var timeline = Timeline()
    for (count, time) in delivered { timeline.note(count, at: time) }
    return BacklogReport(
      setup: .plain,
      connections: 200, rate: 2_000, bodyBytes: 200, steady: Self.cost,
      away: AwayTime(
        duration: .seconds(10), totals: .init(sent: 20_003, accepted: 20_000, refused: 3),
        cost: nil),
      catchUp: CatchUp(timeline: timeline, cost: Self.cost), totals: totals)
  }

  @Test("says when the first and the last were delivered, and how fast between")
  func catchUp() {
    let report = Self.report(delivered: [
      (5_000, .milliseconds(600)), (10_000, .milliseconds(1_100)), (5_000, .milliseconds(1_600)),
    ])
    #expect(report.backlog == 20_000 && report.rejected == 3)
    #expect(report.firstDeliveredSeconds == 0.6 && report.lastDeliveredSeconds == 1.6)
    #expect(abs((report.deliveredPerSecond ?? 0) - 20_000) < 0.001)
    #expect(report.deliveredInSecond == [5_000, 15_000])
    let table = report.table()
    #expect(table.contains("0.60 s after the start of messaging"))
    #expect(table.contains("accepted without  -"))
    #expect(table.contains("delivered later   10.0"))
    #expect(report.soundness.isSound)
  }

  @Test("says so if nothing was delivered, and is not sound then")
  func nothing() throws {
    let report = Self.report(delivered: [], totals: .init(lost: 20_000))
    #expect(report.firstDeliveredSeconds == nil && report.deliveredPerSecond == nil)
    #expect(report.table().contains("never"))
    #expect(!report.soundness.isSound)
    #expect(try report.json().contains("\"lost\" : 20000"))
  }
}
