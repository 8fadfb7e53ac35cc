import ArgumentParser
import Foundation
import Testing

@testable import ConnectCommand

/// The commands, as the parser describes them.
struct DescribedCommand: Decodable {
  struct Argument: Decodable {
    struct Name: Decodable {
      let kind: String
      let name: String
    }
    let kind: String
    let names: [Name]?
    let valueName: String?
    let abstract: String?
    let discussion: String?

    /// `--rate`, or `<user>` for one without a name.
    var title: String {
      self.names?.first { $0.kind == "long" }.map { "--\($0.name)" } ?? "<\(self.valueName ?? "")>"
    }
  }

  let commandName: String
  let abstract: String?
  let discussion: String?
  let subcommands: [DescribedCommand]?
  let arguments: [Argument]?

  private struct Tool: Decodable { let command: DescribedCommand }

  static func root() throws -> DescribedCommand {
    let text = ConnectCommand._dumpHelp()
    return try JSONDecoder().decode(Tool.self, from: Data(text.utf8)).command
  }

  /// This and all below it, each with the words that call it, `connect` not among them.
  func all(_ path: [String] = []) -> [(path: [String], command: DescribedCommand)] {
    [(path, self)]
      + (self.subcommands ?? []).flatMap { $0.all(path + [$0.commandName]) }
  }
}

@Suite("Help texts")
struct HelpTests {
  /// Whether the lines of a paragraph are an example, to be shown as they stand.
  private func isExample(_ paragraph: Substring) -> Bool {
    paragraph.split(separator: "\n").allSatisfy { $0.hasPrefix("    ") }
  }

  @Test("break no line inside a paragraph: the parser wraps them to the width of the terminal")
  func flow() throws {
    var count = 0
    for (path, command) in try DescribedCommand.root().all() {
      let arguments = command.arguments ?? []
      let texts =
        [("its overview", command.abstract), ("its discussion", command.discussion)]
        + arguments.map { ($0.title, $0.abstract) }
      for (title, text) in texts {
        guard let text else { continue }
        count += 1
        for paragraph in text.split(separator: "\n\n") where !self.isExample(paragraph) {
          #expect(!paragraph.contains("\n"), "connect \(path.joined(separator: " ")): \(title)")
        }
      }
    }
    #expect(count > 100)
  }

  @Test("of options are one paragraph: the parser would put a second left of the first")
  func options() throws {
    for (path, command) in try DescribedCommand.root().all() {
      for argument in command.arguments ?? [] {
        let place = "connect \(path.joined(separator: " ")) \(argument.title)"
        #expect(argument.discussion == nil, "\(place)")
        #expect(argument.abstract?.contains("\n") != true, "\(place)")
      }
    }
  }

  /// A command and all below it.
  private func types(_ type: any ParsableCommand.Type) -> [any ParsableCommand.Type] {
    [type] + type.configuration.subcommands.flatMap { self.types($0) }
  }

  @Test("hold no word that a terminal of 80 columns would break")
  func words() {
    for type in self.types(ConnectCommand.self) {
      let lines = ConnectCommand.helpMessage(for: type, columns: 80).split(separator: "\n")
      // How it is used is one line, and examples are meant to be copied.
      for line in lines where !line.hasPrefix("USAGE: ") && !line.contains(" | connect ") {
        #expect(line.count <= 80, "\(line)")
      }
    }
  }

  @Test("fill the width: no line could have taken the next word, too", arguments: [80, 100, 140])
  func width(columns: Int) throws {
    let lines = ConnectCommand.helpMessage(columns: columns)
      .split(separator: "\n", omittingEmptySubsequences: false)
    let end = try #require(lines.firstIndex { $0.hasPrefix("USAGE:") })
    for (line, next) in zip(lines[..<end], lines[1..<end]) where !line.isEmpty && !next.isEmpty {
      let word = try #require(next.split(separator: " ").first)
      // The parser leaves the last column free.
      #expect(line.count + 1 + word.count >= columns, "\(line)")
    }
  }
}
