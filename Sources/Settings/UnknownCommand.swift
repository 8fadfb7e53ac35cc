import ArgumentParser
import Redis

/// A word that stands where a subcommand belongs, and is none.
///
/// The parser takes it for an argument of the default subcommand, and says no more than that it
/// expected none.
package struct UnknownCommand: CustomStringConvertible {
  package let description: String

  /// Nil if the words before the first option are subcommands, and arguments of the last of them.
  package init?(_ arguments: [String], of root: any ParsableCommand.Type) {
    let isHelp = arguments.first == "help"
    var path = [Self.name(of: root)]
    var command = root
    for word in isHelp ? arguments.dropFirst() : arguments[...] {
      let subcommands = command.configuration.subcommands
      guard !word.hasPrefix("-"), !subcommands.isEmpty else { return nil }
      if let next = subcommands.first(where: { Self.name(of: $0) == word }) {
        command = next
        path.append(word)
        continue
      }
      let names = subcommands.map(Self.name)
      let nearest = NearestName.of(word, among: names + (command == root ? ["help"] : []))
      let place = path.joined(separator: " ")
      let advice =
        nearest.map { "did you mean `\(place) \($0)`?" }
        ?? "there are \(names.joined(separator: ", ")); see `\(place) --help`"
      self.description = "'\(PrintableText.of(word))' is not a command of `\(place)`: \(advice)"
      return
    }
    return nil
  }

  private static func name(of command: any ParsableCommand.Type) -> String {
    command.configuration.commandName ?? command._commandName
  }
}

extension AsyncParsableCommand {
  /// Runs the program, with words for what the parser has none for: a misspelled command, and a value
  /// that begins with a minus.
  ///
  /// - Parameter commandLine: the program's name before its arguments.
  package static func main(checking commandLine: [String]) async {
    let arguments = ArgumentRules.joiningNegativeNumbers(Array(commandLine.dropFirst()))
    if let unknown = UnknownCommand(arguments, of: Self.self) {
      let failure = Failure.usage(unknown.description)
      failure.show()
      Self.exit(withError: ExitCode(failure.kind.rawValue))
    }
    await Self.main(arguments)
  }
}
