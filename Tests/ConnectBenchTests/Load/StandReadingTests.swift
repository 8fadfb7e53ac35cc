import Testing

@testable import ConnectBench

@Suite("Readings of a stand")
struct StandReadingTests {
  private static let start = ContinuousClock.now

  private static func reading(
    seconds: Int, _ microseconds: [String: Double], commands: Int = 0
  ) -> StandReading {
    let processes = microseconds.keys.map { MeasuredProcess(name: $0, processIdentifier: 1) }
    return StandReading(
      time: self.start + .seconds(seconds),
      usages: microseconds.mapValues { ProcessUsage(cpuMicroseconds: $0, residentBytes: 0) },
      roles: Dictionary(uniqueKeysWithValues: processes.map { ($0.name, $0.role) }),
      primaries: [PrimaryCounts(info: "total_commands_processed:\(commands)")])
  }

  private let earlier = reading(
    seconds: 0,
    [
      "gateway 1": 1_000, "gateway 2": 2_000, "messaging 1": 500, "redis": 100, "registry 1": 0,
      "load generator": 9_000,
    ], commands: 10)

  @Test("say what messages cost each kind of process, and all but the load generator")
  func cost() throws {
    let later = Self.reading(
      seconds: 4,
      [
        "gateway 1": 2_000, "gateway 2": 4_000, "messaging 1": 1_500, "redis": 600,
        "registry 1": 500, "proxy": 1_000, "load generator": 19_000,
      ], commands: 60)
    let cost = try #require(later.cost(since: self.earlier, per: 100))
    #expect(
      cost == CPUCost(gateways: 30, messaging: 10, redis: 10, all: 60, loadGenerator: 100))
    #expect(later.seconds(since: self.earlier) == 4)
    #expect(later.primaries(since: self.earlier).map(\.commands) == [50])
    #expect(later.cost(since: self.earlier, per: 0) == nil)
  }

  @Test("count a process that was started between them from its start, and none that has ended")
  func changes() throws {
    let later = Self.reading(seconds: 1, ["gateway 2": 2_500, "messaging 2": 700])
    let cost = try #require(later.cost(since: self.earlier, per: 10))
    #expect(cost == CPUCost(gateways: 50, messaging: 70, redis: nil, all: 120, loadGenerator: nil))
  }

  @Test("have no cost where nothing is known but of the load generator")
  func unknown() {
    for figures in [[:], ["load generator": 5]] as [[String: Double]] {
      let nothing = Self.reading(seconds: 1, figures)
      #expect(nothing.cost(since: nothing, per: 10) == nil)
    }
  }

  @Test("are without a process that is about to end")
  func without() throws {
    let cost = try #require(
      Self.reading(seconds: 1, ["gateway 1": 1_500, "gateway 2": 9_000])
        .cost(since: self.earlier.without("gateway 2"), per: 1))
    #expect(cost.gateways == 9_500)
    #expect(self.earlier.without("gateway 2").usages["gateway 1"]?.cpuMicroseconds == 1_000)
  }
}
