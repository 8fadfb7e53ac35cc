import ConnectClient
import NIOEmbedded
import Testing

@testable import ConnectBench

@Suite("The report of a storm")
struct StormReportTests {
  private static func report(
    connections: Int, back: [Duration], live: Int? = nil
  ) -> StormReport {
    var counts = StormCrowd.Counts()
    counts.attempts = connections + 4
    counts.live = live ?? back.count
    counts.refused = 3
    counts.failed = 1
    for time in back {
      counts.comeback.note(at: time)
      counts.waits.record(nanoseconds: UInt64(time / .nanoseconds(1)))
    }
    let cost = CPUCost(gateways: 100, messaging: 0, redis: 50, all: 150, loadGenerator: 9)
    return StormReport(
      setup: .plain,
      connections: connections, loss: .gateway, talkers: 20, rate: 200, counts: counts,
      open: cost, storm: nil, before: .init(messages: 1_000, Latencies()),
      meanwhile: .init(messages: 300, Latencies()), totals: .init(accepted: 1_300))
  }

  @Test("says when half were back, 99 % and all")
  func back() throws {
    let report = Self.report(
      connections: 100, back: (1...100).map { .milliseconds(20 * $0) })
    #expect(report.areAllBack && report.soundness.isSound)
    #expect(abs(try #require(report.halfBackSeconds) - 1) < 0.01)
    #expect(abs(try #require(report.p99BackSeconds) - 1.98) < 0.01)
    #expect(report.allBackSeconds == 2)
    #expect(report.backInSecond == [49, 50, 1])
    let table = report.table()
    #expect(
      table.contains("half after 1.00 s, 99 % after 1.98 s, all after 2.00 s; 100 live at the end"))
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
    #expect(report.table().contains("99 % never, all never; 60 live"))
    #expect(Self.report(connections: 1, back: []).halfBackSeconds == nil)
  }

  @Test("does not say that all are back when one is gone again")
  func goneAgain() {
    let back = (1...100).map { Duration.milliseconds($0) }
    #expect(Self.report(connections: 100, back: back).areAllBack)
    #expect(!Self.report(connections: 100, back: back, live: 99).areAllBack)
  }

  @Test("has the cost of the comebacks, without what the others' messages cost meanwhile")
  func cost() throws {
    let start = ContinuousClock.now
    func reading(_ seconds: Int, _ gateway: Double, _ redis: Double) -> StandReading {
      StandReading(
        time: start + .seconds(seconds),
        usages: [
          "gateway 2": ProcessUsage(cpuMicroseconds: gateway, residentBytes: 0),
          "redis": ProcessUsage(cpuMicroseconds: redis, residentBytes: 0),
        ], roles: ["gateway 2": .gateway, "redis": .redis], primaries: [])
    }
    // 100 and 50 µs a second, and then for 4 s 1,000 and 200 µs on top.
    let readings = StormReadings(
      calm: reading(0, 0, 0), before: reading(10, 1_000, 500), after: reading(14, 2_400, 900))
    let cost = try #require(readings.cost(per: 10))
    #expect(abs(try #require(cost.gateways) - 100) < 0.001)
    #expect(abs(try #require(cost.redis) - 20) < 0.001)
    #expect(abs(cost.all - 120) < 0.001 && cost.messaging == nil)
    #expect(readings.cost(per: 0) == nil)
  }
}

@Suite("A crowd in a storm")
struct StormCrowdTests {
  @Test("counts each client once, at its first comeback, and those that are there")
  func flapping() {
    let crowd = StormCrowd(eventLoop: EmbeddedEventLoop())
    let users = (0..<2).map { _ in StormUser(crowd, token: "token") }
    users.forEach(crowd.came)
    #expect(crowd.counts.live == 2 && crowd.counts.comeback.count == 0)
    crowd.begin()
    let lost = EndedConnection(end: .lost("cut"))
    for _ in 0..<2 { crowd.left(lost, wasLive: true) }
    crowd.came(users[0])
    crowd.left(lost, wasLive: true)
    crowd.left(lost, wasLive: false)
    crowd.came(users[0])
    #expect(crowd.counts.comeback.count == 1 && crowd.counts.live == 1)
    #expect(crowd.counts.failed == 1)
    crowd.came(users[1])
    #expect(crowd.counts.comeback.count == 2 && crowd.counts.live == 2)
  }
}
