import CoreMetrics
import NIOConcurrencyHelpers

/// Makes the metrics of a process, and lists them.
///
/// A label with the same dimensions is the same metric, whoever makes it. The lock is for making and
/// for listing; counting takes none.
package final class MetricsStore: MetricsFactory {
  /// Identity of a metric.
  struct Name: Hashable {
    let label: String
    let dimensions: [Dimension]

    struct Dimension: Hashable {
      let name: String
      let value: String
    }

    init(_ label: String, _ dimensions: [(String, String)]) {
      self.label = label
      self.dimensions = dimensions.map { Dimension(name: $0.0, value: $0.1) }
    }
  }

  enum Cell {
    case counter(CounterCell)
    case meter(MeterCell)
    case histogram(HistogramCell)
  }

  private let cells = NIOLockedValueBox<[Name: Cell]>([:])

  package init() {}

  /// All metrics, grouped by label, in the order of their names.
  func all() -> [(name: Name, cell: Cell)] {
    // Sorted outside the lock, which whoever makes a metric waits for.
    self.cells.withLockedValue { $0 }.sorted { a, b in
      (a.key.label, a.key.dimensions.map(\.value).joined(separator: ","))
        < (b.key.label, b.key.dimensions.map(\.value).joined(separator: ","))
    }.map { ($0.key, $0.value) }
  }

  // MARK: MetricsFactory

  package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    self.cells.withLockedValue { cells in
      let name = Name(label, dimensions)
      if case .counter(let cell) = cells[name] { return cell }
      let cell = CounterCell()
      cells[name] = .counter(cell)
      return cell
    }
  }

  /// A gauge, under swift-metrics's newer name.
  package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    self.meter(label, dimensions)
  }

  /// A recorder keeps the last value. Distributions of anything but times are not kept: Connect has
  /// none.
  package func makeRecorder(
    label: String, dimensions: [(String, String)], aggregate: Bool
  ) -> any RecorderHandler {
    self.meter(label, dimensions)
  }

  package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    self.cells.withLockedValue { cells in
      let name = Name(label, dimensions)
      if case .histogram(let cell) = cells[name] { return cell }
      let cell = HistogramCell(bounds: MetricsLimits.timeBuckets)
      cells[name] = .histogram(cell)
      return cell
    }
  }

  private func meter(_ label: String, _ dimensions: [(String, String)]) -> MeterCell {
    self.cells.withLockedValue { cells in
      let name = Name(label, dimensions)
      if case .meter(let cell) = cells[name] { return cell }
      let cell = MeterCell()
      cells[name] = .meter(cell)
      return cell
    }
  }

  /// Forgets a metric, such as one of a partition that this process no longer owns.
  package func destroyMeter(_ handler: any MeterHandler) { self.forget(handler) }
  package func destroyCounter(_ handler: any CounterHandler) { self.forget(handler) }
  package func destroyRecorder(_ handler: any RecorderHandler) { self.forget(handler) }
  package func destroyTimer(_ handler: any TimerHandler) { self.forget(handler) }

  private func forget(_ handler: AnyObject) {
    self.cells.withLockedValue { cells in
      cells = cells.filter { _, cell in
        switch cell {
        case .counter(let cell): cell !== handler
        case .meter(let cell): cell !== handler
        case .histogram(let cell): cell !== handler
        }
      }
    }
  }
}
