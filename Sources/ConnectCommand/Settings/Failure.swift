import ArgumentParser
import Foundation

/// Ends the program with one line on standard error: what is wrong, and what to do.
struct Failure: Error, CustomStringConvertible {
  enum Kind: Int32 {
    /// Something went wrong while running.
    case running = 1
    /// A flag or a setting is wrong; EX_USAGE of sysexits(3).
    case usage = 64
    /// Redis cannot be reached; EX_UNAVAILABLE.
    case unavailable = 69
    /// Redis refuses us; EX_NOPERM.
    case refused = 77
  }

  let kind: Kind
  let description: String

  init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }

  static func usage(_ description: String) -> Failure { Failure(.usage, description) }

  /// Writes the line.
  func show() { FileHandle.standardError.write(Data("connect: \(self)\n".utf8)) }
}

extension AsyncParsableCommand {
  /// Runs the body of a command; a failure becomes its line and exit code, never a stack trace.
  func exiting(_ body: () async throws -> Void) async throws {
    do {
      try await body()
    } catch let failure as Failure {
      failure.show()
      throw ExitCode(failure.kind.rawValue)
    }
  }
}
