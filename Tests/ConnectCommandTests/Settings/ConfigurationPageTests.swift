import Foundation
import Settings
import Testing

@Suite("Configuration.md")
struct ConfigurationPageTests {
  private static let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent(
      "../../../Sources/ConnectCommand/Documentation.docc/Configuration.md")

  /// The cells of each row of its tables of settings.
  private func rows() throws -> [[Substring]] {
    let rows = try String(contentsOf: Self.page, encoding: .utf8).split(separator: "\n")
      .map { $0.split(separator: "|", omittingEmptySubsequences: false) }
    return rows.filter { $0.count > 5 && $0[2].contains("`CONNECT_") }
  }

  private func names(in cell: Substring) -> [String] {
    cell.split(separator: ",").map { $0.trimmingCharacters(in: [" ", "`"]) }
  }

  @Test("lists the variable of each setting once, and none that is not there")
  func variables() throws {
    let variables = try self.rows().flatMap { self.names(in: $0[2]) }
    #expect(variables.sorted() == Setting.allCases.map(\.variable).sorted())
  }

  @Test("names beside each variable its flag, or says that there is none")
  func flags() throws {
    let options = Set(
      try DescribedCommand.all().flatMap { $0.command.arguments ?? [] }.map(\.title))
    for row in try self.rows() {
      let flags = self.names(in: row[1])
      for (index, variable) in self.names(in: row[2]).enumerated() {
        guard let setting = Setting.allCases.first(where: { $0.variable == variable }) else {
          continue
        }
        #expect(flags[index] == (options.contains(setting.flag) ? setting.flag : "–"))
      }
    }
  }
}
