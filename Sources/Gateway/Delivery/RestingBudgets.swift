import ConnectProtocol
import DequeModule

/// The budgets of users who have left, until they are full again: who comes back before gets no new
/// one.
///
/// Pure: times are nanoseconds of the caller's clock.
struct RestingBudgets {
  private var budgets: [UserName: UserBudget] = [:]
  /// In the order in which they were left. A budget may be in use again, or be listed twice.
  private var order = Deque<(user: UserName, budget: UserBudget)>()

  var count: Int { self.budgets.count }

  /// Call it when the user connects again.
  mutating func take(of user: UserName, now: UInt64) -> UserBudget? {
    let budget = self.budgets.removeValue(forKey: user)
    self.forgetFull(now: now)
    return budget
  }

  /// Call it when the user's last connection is closed.
  mutating func keep(_ budget: UserBudget, of user: UserName, now: UInt64) {
    if !budget.isFull(now: now) {
      self.budgets[user] = budget
      self.order.append((user, budget))
    }
    self.forgetFull(now: now)
  }

  private mutating func forgetFull(now: UInt64) {
    while let first = self.order.first {
      let isResting = self.budgets[first.user] === first.budget
      guard
        !isResting || first.budget.isFull(now: now)
          || self.order.count > GatewayLimits.restingBudgets
      else { break }
      self.order.removeFirst()
      if isResting { self.budgets[first.user] = nil }
    }
  }
}
