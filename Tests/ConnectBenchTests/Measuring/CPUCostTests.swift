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
    #expect(CPUCost.unknownCells.count == CPUCost.titles.count)
  }

  @Test("the time left is in words")
  func timeLeft() {
    #expect(TimeLeft.text(seconds: 125) == "2 min 5 s left")
    #expect(TimeLeft.text(seconds: 59) == "59 s left")
    #expect(TimeLeft.text(seconds: -1) == "about to end")
  }
}
