import ConnectProtocol
import Testing

@testable import Gateway

@Suite("The budgets of users who have used some of them")
struct UsedBudgetsTests {
  private static let second: UInt64 = 1_000_000_000

  private func user(_ number: Int) -> UserName { UserName("u\(number)")! }

  /// Has a user take so much that the budget is full again after `seconds`.
  private func use(_ budgets: inout UsedBudgets, _ user: Int, seconds: Int) -> ObjectIdentifier {
    let budget = budgets.budget(of: self.user(user)) { userBudget() }
    for _ in 0..<seconds { _ = budget.takeSend(isLookedUp: true, now: 0) }
    return ObjectIdentifier(budget)
  }

  private func forget(_ budgets: inout UsedBudgets, at seconds: UInt64, limit: Int = 1_000) {
    budgets.forgetFull(now: seconds * Self.second, looks: 10, limit: limit)
  }

  @Test("wait for those who come back before they are full")
  func back() {
    var budgets = UsedBudgets()
    let first = self.use(&budgets, 1, seconds: 5)
    self.forget(&budgets, at: 4)
    #expect(ObjectIdentifier(budgets.budget(of: self.user(1)) { userBudget() }) == first)
    #expect(budgets.count == 1)
  }

  @Test("are forgotten when they are full, as many as are looked at")
  func full() {
    var budgets = UsedBudgets()
    for (number, seconds) in [3, 1, 1, 2].enumerated() {
      _ = self.use(&budgets, number, seconds: seconds)
    }
    budgets.forgetFull(now: Self.second, looks: 2, limit: 1_000)
    #expect(budgets.count == 3)
    budgets.forgetFull(now: Self.second, looks: 1, limit: 1_000)
    #expect(budgets.count == 2)
    self.forget(&budgets, at: 2)
    #expect(budgets.count == 1, "in turn, and those that are not full come again")
    self.forget(&budgets, at: 3)
    #expect(budgets.count == 0)
    self.forget(&budgets, at: 3)
  }

  @Test("are not forgotten while a connection has them: else another would get a new one")
  func held() {
    var budgets = UsedBudgets()
    let held = budgets.budget(of: self.user(1)) { userBudget() }
    self.forget(&budgets, at: 0, limit: 0)
    #expect(budgets.budget(of: self.user(1)) { userBudget() } === held)
    withExtendedLifetime(held) {}
  }

  @Test("are no more than the limit, of those that nobody has")
  func bounded() {
    var budgets = UsedBudgets()
    for number in 0..<20 {
      _ = self.use(&budgets, number, seconds: 5)
      budgets.forgetFull(now: 0, looks: 2, limit: 10)
    }
    #expect(budgets.count == 10)
    var isNew = false
    _ = budgets.budget(of: self.user(0)) {
      isNew = true
      return userBudget()
    }
    #expect(isNew, "the first has gone")
  }
}
