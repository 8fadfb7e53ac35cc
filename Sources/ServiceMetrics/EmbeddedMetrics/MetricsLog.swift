import Foundation
import ServiceLifecycle

/// Writes a line for CloudWatch each interval, and a last one at the end.
package struct MetricsLog: Service {
  private let makeReport: @Sendable () -> EmbeddedMetricsReport
  private let seconds: Int
  private let write: @Sendable (String) -> Void

  /// - Parameters:
  ///   - service: `gateway` or `messaging`.
  ///   - seconds: between two lines.
  ///   - write: takes a line without its end; standard output by default.
  package init(
    _ metrics: [EmbeddedMetric], of store: MetricsStore, namespace: String, service: String,
    seconds: Int = MetricsLimits.logSeconds,
    write: @escaping @Sendable (String) -> Void = Self.writeToStandardOutput
  ) {
    self.makeReport = {
      EmbeddedMetricsReport(metrics, namespace: namespace, service: service, store: store)
    }
    self.seconds = seconds
    self.write = write
  }

  package func run() async throws {
    await cancelWhenGracefulShutdown {
      var report = self.makeReport()
      while (try? await Task.sleep(for: .seconds(self.seconds))) != nil {
        self.write(report.line(at: Self.now()))
      }
      // What was counted since is of a process that stops; without it sums would be short.
      self.write(report.line(at: Self.now()))
    }
  }

  private static func now() -> Int64 { Int64(Date.now.timeIntervalSince1970 * 1_000) }

  /// One write per line, so that lines of several writers do not mix.
  package static func writeToStandardOutput(_ line: String) {
    try? FileHandle.standardOutput.write(contentsOf: Data("\(line)\n".utf8))
  }
}
