import DequeModule

/// Lets at most so many tests do something at a time, in the order in which they ask; those that must be alone
/// when no others wait, so that the machine falls idle for them once.
package actor TestSemaphore {
  /// How much of the machine a test wants.
  package enum Claim: Sendable {
    /// One place, in turn.
    case inTurn
    /// One place, before those that wait in turn: for what takes longest.
    case first
    /// All places.
    case alone
  }

  private let count: Int
  private var free: Int
  private var waiting: Deque<CheckedContinuation<Void, Never>> = []
  private var waitingAlone: Deque<CheckedContinuation<Void, Never>> = []

  package init(count: Int) {
    self.count = count
    self.free = count
  }

  /// Runs a test once there is room for it.
  package nonisolated func withPlace<Result>(
    _ claim: Claim = .inTurn, _ body: () async throws -> Result
  ) async throws -> Result {
    await self.enter(claim)
    do {
      let result = try await body()
      await self.leave(claim)
      return result
    } catch {
      await self.leave(claim)
      throw error
    }
  }

  private func enter(_ claim: Claim) async {
    await withCheckedContinuation { continuation in
      switch claim {
      case .inTurn: self.waiting.append(continuation)
      case .first: self.waiting.prepend(continuation)
      case .alone: self.waitingAlone.append(continuation)
      }
      self.admit()
    }
  }

  private func leave(_ claim: Claim) {
    self.free += claim == .alone ? self.count : 1
    self.admit()
  }

  private func admit() {
    while self.free > 0, let next = self.waiting.popFirst() {
      self.free -= 1
      next.resume()
    }
    if self.free == self.count, let next = self.waitingAlone.popFirst() {
      self.free = 0
      next.resume()
    }
  }
}
