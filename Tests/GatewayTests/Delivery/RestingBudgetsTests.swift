import ConnectProtocol
import Testing

@testable import Gateway

@Suite("The budgets of users who have left")
struct RestingBudgetsTests {
  private static let second: UInt64 = 1_000_000_000

  private func user(_ number: Int) -> UserName { UserName("u\(number)")! }

  /// One that is full again after `seconds`.
  private func used(seconds: Int) -> UserBudget {
    let budget = userBudget()
    for _ in 0..<seconds { _ = budget.takeSend(isLookedUp: true, now: 0) }
    return budget
  }

  @Test("wait for those who come back before they are full")
  func back() {
    var resting = RestingBudgets()
    let budget = self.used(seconds: 5)
    resting.keep(budget, of: self.user(1), now: 0)
    #expect(resting.take(of: self.user(2), now: 0) == nil)
    #expect(resting.take(of: self.user(1), now: Self.second) === budget)
    #expect(resting.take(of: self.user(1), now: Self.second) == nil)
    resting.keep(budget, of: self.user(1), now: 2 * Self.second)
    #expect(resting.take(of: self.user(1), now: 3 * Self.second) === budget)
  }

  @Test("are forgotten when they are full, with the next user who comes or goes")
  func full() {
    var resting = RestingBudgets()
    resting.keep(userBudget(), of: self.user(0), now: 0)
    #expect(resting.count == 0, "it is as good as a new one")
    resting.keep(self.used(seconds: 3), of: self.user(1), now: 0)
    resting.keep(self.used(seconds: 1), of: self.user(2), now: 0)
    #expect(resting.count == 2)
    #expect(resting.take(of: self.user(3), now: 2 * Self.second) == nil)
    #expect(resting.count == 2, "they go in their order, none of them late by much")
    #expect(resting.take(of: self.user(3), now: 3 * Self.second) == nil)
    #expect(resting.count == 0)
  }

  @Test("are no more than the limit, however often users come and go")
  func bounded() {
    var resting = RestingBudgets()
    let budget = self.used(seconds: 5)
    for number in 0..<GatewayLimits.restingBudgets + 10 {
      resting.keep(budget, of: self.user(number), now: 0)
    }
    #expect(resting.count == GatewayLimits.restingBudgets)
    #expect(resting.take(of: self.user(9), now: 0) == nil)
    #expect(resting.take(of: self.user(10), now: 0) === budget)
  }
}
