import ArgumentParser

@testable import ConnectBench
@testable import ConnectCommand

/// The programs of this package.
enum Programs {
  static let all: [any ParsableCommand.Type] = [ConnectCommand.self, ConnectBench.self]

  /// Which program a command line is for, and its arguments: those of `connect`, unless the first word is
  /// `connect-bench`.
  static func split(
    _ line: [String]
  ) -> (program: any ParsableCommand.Type, arguments: [String]) {
    line.first == "connect-bench"
      ? (ConnectBench.self, Array(line.dropFirst())) : (ConnectCommand.self, line)
  }

  /// The command that these words call; nil for the parser's own `help`.
  static func type(at path: [String]) -> (any ParsableCommand.Type)? {
    let (program, path) = Self.split(path)
    return path.reduce(program) { type, name in
      type?.configuration.subcommands.first { $0.configuration.commandName == name }
    }
  }
}
