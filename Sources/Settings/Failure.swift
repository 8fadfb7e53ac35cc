import ArgumentParser
import Foundation

/// Ends the program with one line on standard error: what is wrong, and what to do.
package struct Failure: Error, CustomStringConvertible {
  package enum Kind: Int32 {
    /// A failure while running.
    case running = 1
    /// A wrong flag or setting; EX_USAGE of sysexits(3).
    case usage = 64
    /// Redis cannot be reached; EX_UNAVAILABLE.
    case unavailable = 69
    /// Redis refuses access; EX_NOPERM.
    case refused = 77
  }

  package let kind: Kind
  package let description: String

  package init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }

  package static func usage(_ description: String) -> Failure { Failure(.usage, description) }

  package func show() { Self.show(self.description) }

  /// Writes a line of this program on standard error.
  package static func show(_ line: String) {
    let program = URL(fileURLWithPath: CommandLine.arguments[0]).lastPathComponent
    FileHandle.standardError.write(Data("\(program): \(line)\n".utf8))
  }
}

/// When a command reports unknown environment variables.
package enum UnknownVariableReport {
  /// Before anything else: for tools.
  case first
  /// In the log of a service, which is not there yet when a setting is refused: then before the
  /// refusal, whose cause it may be.
  case inLog
  /// Never: for commands without settings.
  case none
}

extension AsyncParsableCommand {
  /// Runs the body of a command; a failure becomes its line and exit code, never a stack trace.
  package func exiting(
    unknownVariables: UnknownVariableReport = .first, _ body: () async throws -> Void
  ) async throws {
    if unknownVariables == .first { UnknownVariable.show() }
    do {
      try await body()
    } catch let failure as Failure {
      if unknownVariables == .inLog, failure.kind == .usage { UnknownVariable.show() }
      failure.show()
      throw ExitCode(failure.kind.rawValue)
    }
  }
}
