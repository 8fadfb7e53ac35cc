import Foundation
import Testing

@testable import ServiceMetrics

@Suite("What is told of each metric")
struct MetricHelpTests {
  /// The names in the tables of Running.md, without labels.
  private func documented() throws -> Set<String> {
    let guide = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Sources/ConnectCommand/Documentation.docc/Running.md")
    let text = try String(contentsOf: guide.standardizedFileURL, encoding: .utf8)
    let start = try #require(text.firstRange(of: "\n## Metrics\n")).upperBound
    let end = try #require(text[start...].firstRange(of: "\n## Alarms\n")).lowerBound
    let rows = text[start..<end].split(separator: "\n").filter { $0.hasPrefix("| `") }
    return Set(
      rows.flatMap { row in
        row.split(separator: "|")[0].matches(of: /`((?:connect|process)_[a-z_]+)/)
          .map { String($0.output.1) }
      })
  }

  @Test("is in Running.md, too, and nothing there is unknown")
  func documentation() throws {
    #expect(try self.documented() == Set(MetricHelp.texts.keys))
  }
}
