import Foundation
import Metrics
import Testing

@testable import ServiceMetrics

@Suite("The page for Prometheus")
struct PrometheusTextTests {
  private let store = MetricsStore()

  private var lines: [String] {
    PrometheusText.page(of: self.store).split(separator: "\n").map(String.init)
  }

  @Test("A counter is shown with its type, and what is known of it")
  func counter() {
    let counter = Counter(label: "connect_accepted_total", dimensions: [], factory: self.store)
    counter.increment()
    counter.increment(by: 41)
    #expect(
      self.lines.prefix(3) == [
        "# HELP connect_accepted_total \(MetricHelp.texts["connect_accepted_total"]!)",
        "# TYPE connect_accepted_total counter", "connect_accepted_total 42",
      ])
  }

  @Test("Metrics of one name stand together under one head, told apart by their labels")
  func labels() {
    for (code, count) in [("b", 2), ("a", 1)] {
      Counter(label: "rejected", dimensions: [("code", code)], factory: self.store)
        .increment(by: count)
    }
    Meter(label: "other", dimensions: [], factory: self.store).set(0.5)
    #expect(
      self.lines.prefix(5) == [
        "# TYPE other gauge", "other 0.5", "# TYPE rejected counter", #"rejected{code="a"} 1"#,
        #"rejected{code="b"} 2"#,
      ])
  }

  @Test("What would end a label early is escaped")
  func escaping() {
    Counter(label: "c", dimensions: [("l", "a\"b\\c\nd")], factory: self.store).increment()
    #expect(self.lines.contains(#"c{l="a\"b\\c\nd"} 1"#))
  }

  @Test("What would end a help text early is escaped")
  func escapedHelp() {
    #expect(PrometheusText.escapedHelp("a\\b\n\"c\"") == #"a\\b\n"c""#)
  }

  @Test("The same name is the same metric, and one that was destroyed is not shown")
  func identity() {
    Meter(label: "m", dimensions: [("p", "1")], factory: self.store).increment(by: 2.0)
    let meter = Meter(label: "m", dimensions: [("p", "1")], factory: self.store)
    meter.decrement()
    #expect(self.lines.contains(#"m{p="1"} 1"#))
    meter.destroy()
    #expect(!self.lines.contains { $0.hasPrefix("m{") })
  }

  @Test("A histogram's buckets are cumulated, and its sum is in seconds")
  func histogram() {
    let timer = Timer(label: "t_seconds", dimensions: [], factory: self.store)
    for milliseconds in [1, 1, 3, 20_000, -5] { timer.recordMilliseconds(milliseconds) }
    let lines = self.lines
    // A time that is exactly a bound is within it; what is negative counts as none.
    #expect(lines.contains(#"t_seconds_bucket{le="0.00025"} 1"#))
    #expect(lines.contains(#"t_seconds_bucket{le="0.001"} 3"#))
    #expect(lines.contains(#"t_seconds_bucket{le="0.0025"} 3"#))
    #expect(lines.contains(#"t_seconds_bucket{le="0.005"} 4"#))
    #expect(lines.contains(#"t_seconds_bucket{le="10"} 4"#))
    #expect(lines.contains(#"t_seconds_bucket{le="+Inf"} 5"#))
    #expect(lines.contains("t_seconds_sum 20.005"))
    #expect(lines.contains("t_seconds_count 5"))
  }

  @Test("Nothing that threads count at once is lost")
  func threads() async {
    let counter = Counter(label: "c", dimensions: [], factory: self.store)
    let meter = Meter(label: "m", dimensions: [], factory: self.store)
    let timer = Timer(label: "t", dimensions: [], factory: self.store)
    await withDiscardingTaskGroup { tasks in
      for _ in 0..<4 {
        tasks.addTask {
          for _ in 0..<10_000 {
            counter.increment()
            meter.increment()
            timer.recordNanoseconds(1_000)
          }
        }
      }
    }
    let lines = self.lines
    #expect(lines.contains("c 40000"))
    #expect(lines.contains("m 40000"))
    #expect(lines.contains("t_count 40000"))
    #expect(lines.contains("t_sum 0.04"))
  }

  #if os(Linux)
    @Test("The process tells of itself under the names that all use")
    func process() throws {
      let values = try Dictionary(
        uniqueKeysWithValues: self.lines.filter { !$0.hasPrefix("#") }.map { line in
          let words = line.split(separator: " ")
          return (String(words[0]), try #require(Double(words[1])))
        })
      #expect(try #require(values["process_cpu_seconds_total"]) >= 0)
      #expect(try #require(values["process_resident_memory_bytes"]) > 1_000_000)
      let open = try #require(values["process_open_fds"])
      let most = try #require(values["process_max_fds"])
      #expect(open > 0 && open < most)
      let start = try #require(values["process_start_time_seconds"])
      let age = Date().timeIntervalSince1970 - start
      // The system tells when it was booted in whole seconds.
      #expect(age > -1 && age < 86_400, "it started \(age) s ago")
    }
  #endif
}
