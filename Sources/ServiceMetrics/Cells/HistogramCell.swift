import CoreMetrics
import Synchronization

/// How often times fell into which bucket, and what they came to there.
///
/// The sum of each bucket is kept, too: its mean stands for the bucket where only values can be told
/// (CloudWatch), and is nearer than either bound.
final class HistogramCell: TimerHandler {
  /// Number and sum of the values in one bucket.
  private final class Bucket: Sendable {
    let count = Atomic<Int64>(0)
    let nanoseconds = Atomic<Int64>(0)
  }

  /// The numbers of a histogram at one moment. A value that is recorded meanwhile may be in one
  /// number and not yet in the other.
  struct Reading: Equatable {
    /// Number of values in each bucket, not cumulated; the last is beyond all bounds.
    var counts: [Int64]
    /// Sum of the values in each bucket, in nanoseconds.
    var nanoseconds: [Int64]

    var count: Int64 { self.counts.reduce(0, +) }

    var seconds: Double { Double(self.nanoseconds.reduce(0, +)) / 1e9 }

    /// The values since an earlier reading.
    static func - (now: Reading, before: Reading) -> Reading {
      Reading(
        counts: zip(now.counts, before.counts).map { $0 - $1 },
        nanoseconds: zip(now.nanoseconds, before.nanoseconds).map { $0 - $1 })
    }
  }

  /// Upper bounds, in nanoseconds.
  private let bounds: [Int64]
  private let buckets: [Bucket]

  /// - Parameter bounds: In seconds, ascending.
  init(bounds: [Double]) {
    self.bounds = bounds.map { Int64(($0 * 1e9).rounded()) }
    self.buckets = (0...bounds.count).map { _ in Bucket() }
  }

  /// A clock that was set back makes a duration negative: it counts as zero.
  func recordNanoseconds(_ duration: Int64) {
    let duration = max(0, duration)
    // Few bounds, and the short times, which are most, are found first.
    let index = self.bounds.firstIndex { duration <= $0 } ?? self.bounds.count
    let bucket = self.buckets[index]
    bucket.count.wrappingAdd(1, ordering: .relaxed)
    bucket.nanoseconds.wrappingAdd(duration, ordering: .relaxed)
  }

  func read() -> Reading {
    Reading(
      counts: self.buckets.map { $0.count.load(ordering: .relaxed) },
      nanoseconds: self.buckets.map { $0.nanoseconds.load(ordering: .relaxed) })
  }
}
