import DequeModule
import NIOConcurrencyHelpers

/// Lets only so many do something at a time; the others wait in the order in which they came.
///
/// There are never more who wait than there are connections.
final class Turns: Sendable {
  private struct State {
    var free: Int
    var waiting: Deque<CheckedContinuation<Void, Never>> = []
  }

  private let state: NIOLockedValueBox<State>

  init(_ count: Int) { self.state = NIOLockedValueBox(State(free: count)) }

  func take<Value: Sendable>(_ body: () async -> Value) async -> Value {
    await withCheckedContinuation { continuation in
      let isFree = self.state.withLockedValue { state in
        if state.free > 0 {
          state.free -= 1
          return true
        }
        state.waiting.append(continuation)
        return false
      }
      if isFree { continuation.resume() }
    }
    let value = await body()
    let next = self.state.withLockedValue { state in
      let next = state.waiting.popFirst()
      if next == nil { state.free += 1 }
      return next
    }
    next?.resume()
    return value
  }
}
