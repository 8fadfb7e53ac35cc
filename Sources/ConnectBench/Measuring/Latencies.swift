import Histogram

/// Latencies of messages, as a histogram of constant size.
struct Latencies {
  /// In microseconds, with three digits, up to ten minutes.
  private var histogram = Histogram<UInt64>(highestTrackableValue: 600_000_000)

  var isEmpty: Bool { self.histogram.totalCount == 0 }

  mutating func record(nanoseconds: UInt64) { self.histogram.record(nanoseconds / 1_000) }

  /// Upper bound of the latencies of `percentile` % of the messages.
  func percentile(_ percentile: Double) -> Duration {
    .microseconds(self.histogram.valueAtPercentile(percentile))
  }

  /// The same in milliseconds, as reports have it.
  func milliseconds(_ percentile: Double) -> Double {
    self.percentile(percentile) / .milliseconds(1)
  }

  var longest: Duration { .microseconds(self.histogram.max) }
}
