import Foundation
import Metrics
import Testing

@testable import ServiceMetrics

@Suite("The lines for CloudWatch")
struct EmbeddedMetricsTests {
  private let store = MetricsStore()

  private func object(_ line: String) throws -> [String: Any] {
    #expect(!line.contains("\n"))
    return try #require(
      try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
  }

  private func report(_ metrics: [EmbeddedMetric]) -> EmbeddedMetricsReport {
    EmbeddedMetricsReport(metrics, namespace: "Connect/a", service: "gateway", store: self.store)
  }

  @Test("A line defines every value that it has, in one namespace and with one dimension")
  func form() throws {
    Timer(label: "connect_accept_seconds", dimensions: [], factory: self.store)
      .recordMilliseconds(3)
    var report = self.report(EmbeddedMetric.gateway)
    let line = try self.object(report.line(at: 1_700_000_000_123))
    let aws = try #require(line["_aws"] as? [String: Any])
    #expect(aws["Timestamp"] as? Int == 1_700_000_000_123)
    let directives = try #require(aws["CloudWatchMetrics"] as? [[String: Any]])
    #expect(directives.count == 1)
    #expect(directives[0]["Namespace"] as? String == "Connect/a")
    #expect(directives[0]["Dimensions"] as? [[String]] == [["Service"]])
    #expect(line["Service"] as? String == "gateway")
    let definitions = try #require(directives[0]["Metrics"] as? [[String: String]])
    let names = definitions.compactMap { $0["Name"] }
    #expect(Set(names) == Set(line.keys).subtracting(["_aws", "Service"]))
    // What nobody has counted yet is zero, and not missing: scaling waits for what is missing.
    #expect(line["Connections"] as? Double == 0)
    #expect(line["Accepted"] as? Int == 0)
    #expect(names.contains("AcceptMilliseconds"))
    #expect(!names.contains("DeliverMilliseconds"))
  }

  @Test("Counters of all labels are added up, and a line tells of the time since the one before")
  func counters() throws {
    let metric = EmbeddedMetric(name: "Rejected", unit: "Count", source: .counted("r_total"))
    let a = Counter(label: "r_total", dimensions: [("code", "a")], factory: self.store)
    let b = Counter(label: "r_total", dimensions: [("code", "b")], factory: self.store)
    var report = self.report([metric])
    a.increment(by: 3)
    b.increment(by: 4)
    #expect(try self.object(report.line(at: 0))["Rejected"] as? Int == 7)
    b.increment()
    #expect(try self.object(report.line(at: 0))["Rejected"] as? Int == 1)
    #expect(try self.object(report.line(at: 0))["Rejected"] as? Int == 0)
  }

  @Test("Of partitions the largest counts, of leases the sum")
  func gauges() throws {
    for (partition, lag) in [("1", 5), ("2", 9), ("3", 0)] {
      Meter(label: "lag", dimensions: [("partition", partition)], factory: self.store).set(lag)
    }
    var report = self.report([
      EmbeddedMetric(name: "Largest", unit: "Count", source: .largest("lag")),
      EmbeddedMetric(name: "Sum", unit: "Count", source: .sum("lag")),
    ])
    let line = try self.object(report.line(at: 0))
    #expect(line["Largest"] as? Double == 9)
    #expect(line["Sum"] as? Double == 14)
  }

  @Test("Times are told as the mean of each bucket and how many it stands for")
  func times() throws {
    let timer = Timer(label: "t", dimensions: [], factory: self.store)
    var report = self.report([
      EmbeddedMetric(name: "T", unit: "Milliseconds", source: .times("t"))
    ])
    for milliseconds in [3.0, 4.0, 4.0, 60.0] {
      timer.recordNanoseconds(Int64(milliseconds * 1e6))
    }
    let first = try #require(try self.object(report.line(at: 0))["T"] as? [String: Any])
    let values = try #require(first["Values"] as? [Double])
    #expect(values.count == 2)
    #expect(abs(values[0] - 11.0 / 3) < 1e-6 && values[1] == 60)
    #expect(first["Counts"] as? [Int] == [3, 1])
    #expect(first["Count"] as? Int == 4)
    #expect(abs((first["Sum"] as? Double ?? 0) - 71) < 1e-6)

    #expect(try self.object(report.line(at: 0))["T"] == nil)
    timer.recordMilliseconds(7)
    let second = try #require(try self.object(report.line(at: 0))["T"] as? [String: Any])
    #expect(second["Values"] as? [Double] == [7])
  }

  @Test("Every metric of ours is one that Connect has")
  func sources() {
    for metric in EmbeddedMetric.gateway + EmbeddedMetric.messaging {
      let label =
        switch metric.source {
        case .counted(let label), .sum(let label), .largest(let label), .times(let label): label
        }
      #expect(MetricHelp.texts[label] != nil, "\(metric.name)")
    }
  }
}
