/// # ServiceMetrics
///
/// Where the numbers of a process are kept, and how they leave it: the backend of swift-metrics for
/// `connect`.
///
/// - `MetricsStore` makes the metrics and lists them.
/// - `Cells/` is what each is kept in: atomics, so that a message costs no lock and no allocation.
/// - `Prometheus/` is the text that a scraper reads.
/// - `EmbeddedMetrics/` is a line per interval, from which CloudWatch makes metrics.

/// Limits and defaults, each with its unit.
package enum MetricsLimits {
  /// Upper bounds of the buckets of a histogram of times, in seconds. What takes longer than the last
  /// is counted beyond it.
  ///
  /// From a Redis on the same machine to its deadline of 5 s, in steps of about two, so that a
  /// percentile is off by half at most. It is the list that Prometheus's own clients use, with
  /// 0.25 to 2.5 ms before it.
  package static let timeBuckets: [Double] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  ]

  /// How often a line for CloudWatch is written, in seconds: its ordinary resolution.
  package static let logSeconds = 60

  /// Default namespace in CloudWatch.
  package static let logNamespace = "Connect"
}
