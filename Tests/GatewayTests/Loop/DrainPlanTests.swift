import Testing

@testable import Gateway

@Suite("The plan of a stop")
struct DrainPlanTests {
  @Test("A few connections go at the usual pace, and are gone long before the time is over")
  func few() {
    let plan = DrainPlan(seconds: 100, perSecond: 200, loops: 2)
    #expect(plan.due(of: 50, after: 0) == 1, "the first need not wait")
    #expect(plan.due(of: 50, after: 0.1) == 11)
    #expect(plan.due(of: 50, after: 0.5) == 50)
    #expect(plan.due(of: 0, after: 0.5) == 0)
  }

  @Test("Many connections go evenly over four fifths of the time")
  func many() {
    let plan = DrainPlan(seconds: 100, perSecond: 200, loops: 1)
    #expect(plan.due(of: 80_000, after: 40) == 40_001)
    #expect(plan.due(of: 80_000, after: 79) == 79_001)
    #expect(plan.due(of: 80_000, after: 80) == 80_000)
    var last = 0
    for tenth in 0...1_000 {
      let due = plan.due(of: 80_000, after: Double(tenth) / 10)
      #expect(due >= last)
      #expect(due - last <= 101)
      last = due
    }
  }

  @Test("All that is waited for fits into what is left")
  func waits() {
    for seconds in 0...200 {
      let plan = DrainPlan(seconds: seconds)
      let waits = plan.answerMilliseconds + plan.closeMilliseconds
      #expect(Int64(seconds) * 800 + waits <= Int64(seconds) * 1_000)
    }
    let usual = DrainPlan(seconds: GatewayLimits.drainSeconds)
    #expect(usual.closeMilliseconds == GatewayLimits.closeMilliseconds)
    #expect(usual.answerMilliseconds == GatewayLimits.answerMilliseconds)
  }

  @Test("Without time all go at once")
  func atOnce() {
    #expect(DrainPlan.atOnce.due(of: 100_000, after: 0) == 100_000)
    #expect(DrainPlan.atOnce.closeMilliseconds == 0)
    #expect(DrainPlan.atOnce.answerMilliseconds == 0)
  }
}
