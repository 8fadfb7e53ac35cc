/// A metric for CloudWatch, and the metrics of ours that it is computed from.
package struct EmbeddedMetric: Sendable {
  /// How its value is computed.
  enum Source {
    /// Increments of all counters with this label in the interval.
    case counted(String)
    /// The sum of all gauges with this label.
    case sum(String)
    /// The largest gauge with this label.
    case largest(String)
    /// Durations recorded in the interval.
    case times(String)
  }

  /// CloudWatch's name of the metric.
  package let name: String
  /// CloudWatch's name of the unit.
  package let unit: String
  let source: Source

  /// Metrics of a gateway for scaling, alarms and the dashboard.
  package static let gateway: [EmbeddedMetric] =
    [
      EmbeddedMetric(name: "Connections", unit: "Count", source: .sum("connect_connections")),
      EmbeddedMetric(name: "Accepted", unit: "Count", source: .counted("connect_accepted_total")),
      EmbeddedMetric(name: "Rejected", unit: "Count", source: .counted("connect_rejected_total")),
      EmbeddedMetric(name: "Delivered", unit: "Count", source: .counted("connect_delivered_total")),
      EmbeddedMetric(
        name: "AcceptMilliseconds", unit: "Milliseconds", source: .times("connect_accept_seconds")),
      EmbeddedMetric(
        name: "DeliverMilliseconds", unit: "Milliseconds", source: .times("connect_deliver_seconds")
      ),
      EmbeddedMetric(
        name: "BacklogEntries", unit: "Count", source: .largest("connect_backlog_entries")),
    ] + Self.redis

  /// Metrics of messaging for scaling, alarms and the dashboard.
  package static let messaging: [EmbeddedMetric] =
    [
      EmbeddedMetric(name: "Stored", unit: "Count", source: .counted("connect_stored_total")),
      EmbeddedMetric(name: "Failed", unit: "Count", source: .counted("connect_failed_total")),
      EmbeddedMetric(
        name: "DeadLetters", unit: "Count", source: .counted("connect_dead_letters_total")),
      EmbeddedMetric(name: "Repeats", unit: "Count", source: .counted("connect_repeats_total")),
      EmbeddedMetric(name: "Leases", unit: "Count", source: .sum("connect_leases")),
      EmbeddedMetric(
        name: "PartitionsUnowned", unit: "Count", source: .largest("connect_partitions_unowned")),
      EmbeddedMetric(name: "LagEntries", unit: "Count", source: .largest("connect_lag_entries")),
      EmbeddedMetric(
        name: "PendingEntries", unit: "Count", source: .largest("connect_pending_entries")),
      EmbeddedMetric(
        name: "OldestAgeSeconds", unit: "Seconds", source: .largest("connect_oldest_age_seconds")),
    ] + Self.redis

  private static let redis: [EmbeddedMetric] = [
    EmbeddedMetric(
      name: "RedisMilliseconds", unit: "Milliseconds", source: .times("connect_redis_seconds")),
    EmbeddedMetric(
      name: "RedisErrors", unit: "Count", source: .counted("connect_redis_errors_total")),
  ]
}
