import Foundation

/// Makes the lines from which CloudWatch Logs makes metrics: its embedded metric format
/// (AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
///
/// Each line tells of the time since the line before. A histogram is told as `Values` and `Counts`, as
/// the OpenTelemetry exporter for CloudWatch does, so that percentiles over all instances are right;
/// one without values is left out. Everything else is always there, since what is missing blocks
/// alarms and scaling.
struct EmbeddedMetricsReport {
  private let metrics: [EmbeddedMetric]
  private let namespace: String
  private let service: String
  private let store: MetricsStore
  private var counted: [String: Int64] = [:]
  private var times: [String: HistogramCell.Reading] = [:]

  /// - Parameter service: The only dimension, `Service`: each value of each dimension costs money.
  init(_ metrics: [EmbeddedMetric], namespace: String, service: String, store: MetricsStore) {
    self.metrics = metrics
    self.namespace = namespace
    self.service = service
    self.store = store
  }

  /// - Parameter milliseconds: Since 1970.
  mutating func line(at milliseconds: Int64) -> String {
    let cells = Dictionary(grouping: self.store.all(), by: \.name.label)
    var definitions: [[String: String]] = []
    var object: [String: Any] = ["Service": self.service]
    for metric in self.metrics {
      guard let value = self.value(of: metric, cells) else { continue }
      definitions.append(["Name": metric.name, "Unit": metric.unit])
      object[metric.name] = value
    }
    object["_aws"] = [
      "Timestamp": milliseconds,
      "CloudWatchMetrics": [
        [
          "Namespace": self.namespace, "Dimensions": [["Service"]], "Metrics": definitions,
        ] as [String: Any]
      ],
    ]
    guard
      let data = try? JSONSerialization.data(
        withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
    else { preconditionFailure("a dictionary of strings and finite numbers is JSON") }
    return String(decoding: data, as: UTF8.self)
  }

  private mutating func value(
    of metric: EmbeddedMetric,
    _ cells: [String: [(name: MetricsStore.Name, cell: MetricsStore.Cell)]]
  ) -> Any? {
    switch metric.source {
    case .counted(let label):
      let total = (cells[label] ?? []).reduce(Int64(0)) { sum, metric in
        if case .counter(let cell) = metric.cell { sum + cell.value } else { sum }
      }
      defer { self.counted[label] = total }
      return total - self.counted[label, default: 0]
    case .sum(let label):
      return Self.gauges(cells[label]).reduce(0, +)
    case .largest(let label):
      return Self.gauges(cells[label]).max() ?? 0
    case .times(let label):
      guard case .histogram(let cell)? = cells[label]?.first?.cell else { return nil }
      let reading = cell.read()
      let news = self.times[label].map { reading - $0 } ?? reading
      self.times[label] = reading
      return Self.distribution(news)
    }
  }

  private static func gauges(
    _ metrics: [(name: MetricsStore.Name, cell: MetricsStore.Cell)]?
  ) -> [Double] {
    (metrics ?? []).compactMap { metric in
      if case .meter(let cell) = metric.cell, cell.value.isFinite { cell.value } else { nil }
    }
  }

  /// The mean of each bucket, in milliseconds, and its count.
  private static func distribution(_ reading: HistogramCell.Reading) -> Any? {
    var values: [Double] = []
    var counts: [Int64] = []
    for (count, nanoseconds) in zip(reading.counts, reading.nanoseconds) where count > 0 {
      values.append(Double(max(0, nanoseconds)) / Double(count) / 1e6)
      counts.append(count)
    }
    guard let least = values.min(), let most = values.max() else { return nil }
    return [
      "Values": values, "Counts": counts, "Min": least, "Max": most, "Count": reading.count,
      "Sum": reading.seconds * 1_000,
    ]
  }
}
