import ArgumentParser
import Foundation
import Settings
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
    let defaultValue: String?
    let isOptional: Bool

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

  /// All commands of all programs, each with the words that call it, `connect` not among them.
  static func all() throws -> [(path: [String], command: DescribedCommand)] {
    try self.described.get()
  }

  /// Once: the parser takes seconds for it in a debug build.
  private static let described = Result {
    try Programs.all.flatMap { program in
      let tool = try JSONDecoder().decode(Tool.self, from: Data(program._dumpHelp().utf8))
      let name = tool.command.commandName
      return tool.command.all(name == "connect" ? [] : [name])
    }
  }

  /// This and all below it.
  private func all(_ path: [String] = []) -> [(path: [String], command: DescribedCommand)] {
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
    for (path, command) in try DescribedCommand.all() {
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
    for (path, command) in try DescribedCommand.all() {
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

  @Test("name the default of each option that has one, whoever reads its value")
  func defaults() throws {
    var count = 0
    for (path, command) in try DescribedCommand.all() {
      // The parser's own `help` has none.
      guard let type = Programs.type(at: path) else { continue }
      let initial = Self.withValue(type.init())
      for argument in command.arguments ?? [] where argument.isOptional {
        guard initial.contains(argument.title) else { continue }
        count += 1
        #expect(
          argument.defaultValue != nil || argument.abstract?.contains("(default: ") == true,
          "connect \(path.joined(separator: " ")) \(argument.title)")
      }
    }
    #expect(count > 25)
  }

  /// The titles of the options whose properties are neither optional nor lists: each either must be
  /// given or has a default.
  private static func withValue(_ arguments: any ParsableArguments) -> Set<String> {
    Mirror(reflecting: arguments).children.reduce(into: []) { titles, child in
      if let group = child.value as? any ArgumentGroup {
        titles.formUnion(Self.withValue(group.members))
      } else if let single = child.value as? any SingleArgument, single.hasValue {
        let name = child.label.map { $0.drop { $0 == "_" } } ?? ""
        let words = name.map { $0.isUppercase ? "-\($0.lowercased())" : "\($0)" }.joined()
        titles.insert(single.isPositional ? "<\(words)>" : "--\(words)")
      }
    }
  }

  @Test("hold no word that a terminal of 80 columns would break")
  func words() async {
    for program in Programs.all {
      for type in self.types(program) {
        await Task.yield()
        let lines = program.helpMessage(for: type, columns: 80).split(separator: "\n")
        // How it is used is one line, and examples are meant to be copied.
        for line in lines where !line.hasPrefix("USAGE: ") && !line.contains(" | connect ") {
          #expect(line.count <= 80, "\(line)")
        }
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

/// A property, seen by reflection.
private protocol SingleArgument {
  var isPositional: Bool { get }
  var hasValue: Bool { get }
}

private func isOneValue(_ type: Any.Type) -> Bool {
  !["Optional<", "Array<"].contains { "\(type)".hasPrefix($0) }
}

extension Option: SingleArgument {
  fileprivate var isPositional: Bool { false }
  fileprivate var hasValue: Bool { isOneValue(Value.self) }
}

extension Argument: SingleArgument {
  fileprivate var isPositional: Bool { true }
  fileprivate var hasValue: Bool { isOneValue(Value.self) }
}

private protocol ArgumentGroup {
  var members: any ParsableArguments { get }
}

extension OptionGroup: ArgumentGroup {
  fileprivate var members: any ParsableArguments { Value() }
}
