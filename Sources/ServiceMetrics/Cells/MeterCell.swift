import CoreMetrics
import Synchronization

/// A number that goes up and down.
///
/// Also what a recorder that keeps only the last value is kept in.
final class MeterCell: MeterHandler, RecorderHandler {
  private let bits = Atomic<UInt64>(0)

  var value: Double { Double(bitPattern: self.bits.load(ordering: .relaxed)) }

  func set(_ value: Int64) { self.set(Double(value)) }

  func set(_ value: Double) { self.bits.store(value.bitPattern, ordering: .relaxed) }

  func increment(by amount: Double) {
    var old = self.bits.load(ordering: .relaxed)
    while true {
      let new = (Double(bitPattern: old) + amount).bitPattern
      let (exchanged, found) = self.bits.weakCompareExchange(
        expected: old, desired: new, ordering: .relaxed)
      if exchanged { return }
      old = found
    }
  }

  func decrement(by amount: Double) { self.increment(by: -amount) }

  func record(_ value: Int64) { self.set(value) }

  func record(_ value: Double) { self.set(value) }
}
