import Testing

@testable import ConnectBench

@Suite("The report of a storm")
struct StormReportTests {
  private static func report(
    connections: Int, back: [Duration], totals: Ledger.Totals = .init()
  ) -> StormReport {
    var counts = StormCrowd.Counts()
    counts.attempts = connections + 4
    counts.refused = 3
    counts.failed = 1
    for time in back {
      counts.comeback.note(at: time)
      counts.waits.record(nanoseconds: UInt64(time / .nanoseconds(1)))
    }
    let cost = CPUCost(gateways: 100, messaging: 0, redis: 50, all: 150, loadGenerator: 9)
    return StormReport(
      setup: BenchSetup(
        gateways: 2, messaging: 1, partitions: 16, primaries: 1, redis: "plain", aof: "no"),
      connections: connections, loss: .gateway, talkers: 20, rate: 200, counts: counts,
      open: cost, storm: nil, before: .init(messages: 1_000, Latencies()),
      meanwhile: .init(messages: 300, Latencies()), totals: totals)
  }

  @Test("says when half were back, 99 % and all")
  func back() throws {
    let report = Self.report(
      connections: 100, back: (1...100).map { .milliseconds(20 * $0) })
    #expect(report.areAllBack && report.isSound)
    #expect(abs(try #require(report.halfBackSeconds) - 1) < 0.01)
    #expect(abs(try #require(report.p99BackSeconds) - 1.98) < 0.01)
    #expect(report.allBackSeconds == 2)
    #expect(report.backInSecond == [49, 50, 1])
    let table = report.table()
    #expect(table.contains("half after 1.00 s, 99 % after 1.98 s, all after 2.00 s"))
    #expect(table.contains("104, of which 3 were refused and 1 failed"))
    #expect(table.contains("opened 200 at a time  100"))
    #expect(table.contains("in the storm          -"))
  }

  @Test("takes the shares of all connections, also if some did not come back")
  func missing() throws {
    let report = Self.report(connections: 100, back: (1...60).map { .milliseconds(10 * $0) })
    #expect(!report.areAllBack && report.back == 60)
    #expect(abs(try #require(report.halfBackSeconds) - 0.5) < 0.01)
    #expect(report.p99BackSeconds == nil && report.allBackSeconds == nil)
    #expect(report.table().contains("99 % not, all not"))
    #expect(Self.report(connections: 1, back: []).halfBackSeconds == nil)
  }

  @Test("is sound only if the others' messages were not lost, repeated or reordered")
  func sound() {
    for totals in [
      Ledger.Totals(lost: 1), .init(repeated: 1), .init(reordered: 1), .init(garbled: 1),
    ] {
      #expect(!Self.report(connections: 1, back: [.zero], totals: totals).isSound)
    }
  }
}
