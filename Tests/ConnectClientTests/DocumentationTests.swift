import ConnectClient
import Foundation
import TestSupport
import Testing

@Suite("The documentation of ConnectClient")
struct DocumentationTests {
  private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  private static let sources = Self.tests.appendingPathComponent("../../Sources/ConnectClient")

  private func text(_ path: String, in folder: URL) throws -> String {
    try String(
      contentsOf: folder.appendingPathComponent(path).standardizedFileURL, encoding: .utf8)
  }

  @Test(
    "begins with the example that is tested",
    arguments: [
      ("ConnectClient", "Running/Example.swift"),
      ("Conversations", "Conversations/AppExample.swift"),
    ])
  func example(page: String, file: String) throws {
    let page = try self.text("Documentation.docc/\(page).md", in: Self.sources)
    let code = page.components(separatedBy: "```swift\n").dropFirst().first?
      .components(separatedBy: "```").first
    #expect(try code == self.text(file, in: Self.tests))
  }

  @Test("has a table of all limits, each with its value and unit")
  func limits() throws {
    let code = try self.text("ConnectClientLimits.swift", in: Self.sources)
    var expected: [String: String] = [:]
    for match in code.matches(of: #/public static let (\w+)(?:: \w+)? = (.+)/#) {
      let value =
        String(match.2) == "1 << 20" ? "1048576" : String(match.2.replacing("_", with: ""))
      expected[String(match.1)] = value
    }
    let page = try self.text("Documentation.docc/Limits.md", in: Self.sources)
    var told: [String: String] = [:]
    for match in page.matches(
      of: #/(?m)^\| ``ConnectClientLimits/(\w+)`` \| ([\d,]+) \| ([^|]+) \|/#)
    {
      told[String(match.1)] = String(match.2.replacing(",", with: ""))
      if match.1.hasSuffix("Milliseconds") { #expect(match.3 == "ms", "\(match.1)") }
      if match.1.hasSuffix("Bytes") { #expect(match.3 == "bytes", "\(match.1)") }
    }
    #expect(expected.count > 15)
    #expect(told == expected)
  }

  /// The links that DocC would follow. Without its compiler, only the names are looked at.
  @Test("names no symbol that is not in the code")
  func symbols() throws {
    let folder = Self.sources.standardizedFileURL
    let files = try #require(FileManager.default.enumerator(atPath: folder.path))
      .compactMap { $0 as? String }
    let code = try files.filter { $0.hasSuffix(".swift") }
      .map { try self.text($0, in: Self.sources) }.joined()
    let declared = Set(
      code.matches(of: #/\b(?:class|struct|enum|protocol|func|var|let|case) (\w+)/#).map(\.1))
    for page in files where page.hasSuffix(".md") {
      for match in try self.text(page, in: Self.sources).matches(of: #/``([^`\n]+)``/#) {
        for part in match.1.split(separator: "/") {
          #expect(declared.contains(part.prefix { $0 != "(" }), "\(page): \(match.1)")
        }
      }
    }
  }
}
