import CoreMetrics
import Synchronization

/// Grows only, as seen from outside.
final class CounterCell: CounterHandler {
  private let count = Atomic<Int64>(0)

  var value: Int64 { self.count.load(ordering: .relaxed) }

  func increment(by amount: Int64) { self.count.wrappingAdd(amount, ordering: .relaxed) }

  func reset() { self.count.store(0, ordering: .relaxed) }
}
