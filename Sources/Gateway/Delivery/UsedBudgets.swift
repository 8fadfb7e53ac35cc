import ConnectProtocol
import DequeModule

/// The budgets of which something is used, each until it is full again and no connection has it: who comes
/// back before gets no new one, and whoever only listens has none.
///
/// Pure: times are nanoseconds of the caller's clock.
struct UsedBudgets {
  private var budgets: [UserName: UserBudget] = [:]
  /// All of them, in the order in which they were looked at last.
  private var order = Deque<UserName>()

  var count: Int { self.budgets.count }

  /// The budget of a user who uses it now. Ask again for each use, or keep it.
  mutating func budget(of user: UserName, orNew make: () -> UserBudget) -> UserBudget {
    if let known = self.budgets[user] { return known }
    let budget = make()
    self.budgets[user] = budget
    self.order.append(user)
    return budget
  }

  /// Looks at some, those that were not looked at for longest, and forgets the full ones that nobody has.
  ///
  /// - Parameters:
  ///   - looks: at how many.
  ///   - limit: beyond so many, those that nobody has are forgotten, full or not.
  mutating func forgetFull(now: UInt64, looks: Int, limit: Int) {
    for _ in 0..<min(looks, self.order.count) {
      let user = self.order.removeFirst()
      guard var budget = self.budgets.removeValue(forKey: user) else {
        preconditionFailure("a budget that is listed and not there")
      }
      let isHeld = !isKnownUniquelyReferenced(&budget)
      guard isHeld || !budget.isFull(now: now) && self.budgets.count < limit else { continue }
      self.budgets[user] = budget
      self.order.append(user)
    }
  }
}
