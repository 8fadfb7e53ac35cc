/// The page for a scraper: Prometheus's text format, version 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/).
package enum PrometheusText {
  package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  /// All metrics of a store, then those of the process.
  package static func page(of store: MetricsStore) -> String {
    var text = ""
    var described: String?
    for (name, cell) in store.all() {
      if name.label != described {
        described = name.label
        text += Self.head(name.label, type: Self.type(of: cell))
      }
      Self.write(name, cell, to: &text)
    }
    ProcessMetrics.write(to: &text)
    return text
  }

  /// The lines before the samples of a metric.
  static func head(_ label: String, type: String) -> String {
    let help = MetricHelp.texts[label].map { "# HELP \(label) \(Self.escapedHelp($0))\n" }
    return (help ?? "") + "# TYPE \(label) \(type)\n"
  }

  private static func type(of cell: MetricsStore.Cell) -> String {
    switch cell {
    case .counter: "counter"
    case .meter: "gauge"
    case .histogram: "histogram"
    }
  }

  private static func write(
    _ name: MetricsStore.Name, _ cell: MetricsStore.Cell, to text: inout String
  ) {
    let labels = name.dimensions.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }
    switch cell {
    case .counter(let cell):
      text += "\(name.label)\(Self.braces(labels)) \(cell.value)\n"
    case .meter(let cell):
      text += "\(name.label)\(Self.braces(labels)) \(Self.number(cell.value))\n"
    case .histogram(let cell):
      let reading = cell.read()
      var cumulated: Int64 = 0
      for (index, count) in reading.counts.enumerated() {
        cumulated += count
        let bound =
          index < MetricsLimits.timeBuckets.count
          ? Self.number(MetricsLimits.timeBuckets[index]) : "+Inf"
        text += "\(name.label)_bucket\(Self.braces(labels + ["le=\"\(bound)\""])) \(cumulated)\n"
      }
      text += "\(name.label)_sum\(Self.braces(labels)) \(Self.number(reading.seconds))\n"
      text += "\(name.label)_count\(Self.braces(labels)) \(cumulated)\n"
    }
  }

  private static func braces(_ labels: [String]) -> String {
    labels.isEmpty ? "" : "{" + labels.joined(separator: ",") + "}"
  }

  /// Whole numbers have no fraction.
  static func number(_ value: Double) -> String {
    Int64(exactly: value).map { "\($0)" } ?? "\(value)"
  }

  private static func escaped(_ value: String) -> String {
    Self.escapedHelp(value).replacing("\"", with: #"\""#)
  }

  /// Escapes a backslash and a line end, as everywhere; a quotation mark needs it in labels only.
  static func escapedHelp(_ text: String) -> String {
    text.replacing("\\", with: #"\\"#).replacing("\n", with: #"\n"#)
  }
}
