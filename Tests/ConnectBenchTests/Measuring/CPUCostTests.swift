import Testing

@testable import ConnectBench

@Suite("The cost in CPU time")
struct CPUCostTests {
  private static func cost(_ number: Double) -> CPUCost {
    CPUCost(
      gateways: number, messaging: 100 - number, redis: 1, all: number * 2, loadGenerator: 0)
  }

  @Test("of several runs is the median of each figure")
  func median() {
    #expect(CPUCost.median(of: []) == nil)
    #expect(CPUCost.median(of: [Self.cost(3)]) == Self.cost(3))
    #expect(CPUCost.median(of: [Self.cost(9), Self.cost(1), Self.cost(4)]) == Self.cost(4))
    #expect(CPUCost.median(of: [Self.cost(8), Self.cost(4)]) == Self.cost(6))
  }

  @Test("is shown with a digit below a hundred microseconds")
  func cells() {
    #expect(Self.cost(51.26).cells == ["51.3", "48.7", "1.0", "103"])
    #expect(CPUCost.cells(nil) == ["-", "-", "-", "-"] && CPUCost.titles.count == 4)
  }

  @Test(
    "of a kind without a process is not known, and nothing is known of the load generator alone")
  func unknown() throws {
    let cost = try #require(CPUCost([.gateway: 80, .other: 20, .loadGenerator: 9], per: 10))
    #expect(
      cost == CPUCost(gateways: 8, messaging: nil, redis: nil, all: 10, loadGenerator: 0.9))
    #expect(cost.cells == ["8.0", "-", "-", "10.0"])
    #expect(CPUCost.median(of: [cost, cost])?.messaging == nil)
    #expect(CPUCost([.loadGenerator: 9], per: 10) == nil)
    #expect(CPUCost([.gateway: 9], per: 0) == nil)
  }

  @Test("the time left is in words")
  func timeLeft() {
    #expect(TimeLeft.text(seconds: 125) == "2 min 5 s left")
    #expect(TimeLeft.text(seconds: 59) == "59 s left")
    #expect(TimeLeft.text(seconds: -1) == "about to end")
    #expect(TimeLeft.text(seconds: 59, isLimit: true) == "at most 59 s left")
    #expect(TimeLeft.text(seconds: 0, isLimit: true) == "about to end")
  }
}
