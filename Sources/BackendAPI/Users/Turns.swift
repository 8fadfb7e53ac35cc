import DequeModule
import NIOConcurrencyHelpers
import NIOCore

/// A semaphore with a bounded queue: at most N requests at a time, and the others wait in order.
///
/// A request that waits outlives its connection, so each has a deadline: who is late is dropped, and
/// what it was to do is not begun.
final class Turns: Sendable {
  /// Why there is no turn.
  enum Refusal: Error, Hashable {
    /// The queue is full.
    case full
    /// The turn did not come in time.
    case late
  }

  private struct Waiter {
    let deadline: NIODeadline
    /// Resumed with the reason for no turn, or with nil when the turn begins.
    let continuation: CheckedContinuation<Refusal?, Never>
  }

  private enum Decision {
    case goes
    case refused(Refusal)
    case waits
  }

  private struct State {
    var free: Int
    var waiting: Deque<Waiter> = []

    /// Looks only at the front: all wait equally long, so the first to come is late first.
    mutating func takeLate(_ now: NIODeadline) -> [Waiter] {
      var late: [Waiter] = []
      while let first = self.waiting.first, first.deadline <= now {
        late.append(self.waiting.removeFirst())
      }
      return late
    }
  }

  private let most: Int
  private let state: NIOLockedValueBox<State>

  /// - Parameters:
  ///   - count: how many have a turn at a time.
  ///   - most: how many more wait for one at most.
  init(_ count: Int, waiting most: Int) {
    self.most = most
    self.state = NIOLockedValueBox(State(free: count))
  }

  /// Number of waiters, including late ones that were not dropped yet.
  var waitingCount: Int { self.state.withLockedValue { $0.waiting.count } }

  /// Does something in a turn of its own.
  ///
  /// - Parameter deadline: when it need not be begun any more.
  func take<Value: Sendable>(
    until deadline: NIODeadline, _ body: () async -> Value
  ) async throws(Refusal) -> Value {
    let refusal = await withCheckedContinuation { continuation in
      self.come(Waiter(deadline: deadline, continuation: continuation))
    }
    if let refusal { throw refusal }
    let value = await body()
    self.passOn()
    return value
  }

  private func come(_ waiter: Waiter) {
    let now = NIODeadline.now()
    let (late, decision): ([Waiter], Decision) = self.state.withLockedValue { state in
      let late = state.takeLate(now)
      if waiter.deadline <= now { return (late, .refused(.late)) }
      if state.free > 0 {
        state.free -= 1
        return (late, .goes)
      }
      if state.waiting.count >= self.most { return (late, .refused(.full)) }
      state.waiting.append(waiter)
      return (late, .waits)
    }
    for waiter in late { waiter.continuation.resume(returning: .late) }
    switch decision {
    case .goes: waiter.continuation.resume(returning: nil)
    case .refused(let refusal): waiter.continuation.resume(returning: refusal)
    case .waits: break
    }
  }

  private func passOn() {
    let now = NIODeadline.now()
    let (late, next) = self.state.withLockedValue { state in
      let late = state.takeLate(now)
      let next = state.waiting.popFirst()
      if next == nil { state.free += 1 }
      return (late, next)
    }
    for waiter in late { waiter.continuation.resume(returning: .late) }
    next?.continuation.resume(returning: nil)
  }
}
