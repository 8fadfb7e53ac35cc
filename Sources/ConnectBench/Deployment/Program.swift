import DequeModule
import Foundation
import LocalRedis
import Synchronization

/// A process of the `connect` executable, and its output.
package final class Program: Sendable {
  package let process: ChildProcess
  private let outputLines: KeptLines
  private let errorLines: KeptLines

  /// Starts it.
  ///
  /// - Parameters:
  ///   - executable: the path of `connect`.
  ///   - log: a file to which its standard error is also appended.
  package init(
    executable: String, _ arguments: [String], environment: [String: String] = [:],
    input: ChildProcess.Input = .null, log: String? = nil
  ) throws(ChildProcessError) {
    let outputLines = KeptLines(log: nil)
    let errorLines = KeptLines(log: log)
    self.outputLines = outputLines
    self.errorLines = errorLines
    self.process = try ChildProcess(
      executable: executable, arguments: arguments, environment: environment,
      standardOutput: .lines { outputLines.append($0) },
      standardError: .lines { errorLines.append($0) },
      standardInput: input)
  }

  /// Another program, of whose output nothing is kept here.
  init(_ process: ChildProcess) {
    self.outputLines = KeptLines(log: nil)
    self.errorLines = KeptLines(log: nil)
    self.process = process
  }

  /// Standard output: the last ``FaultLimits/keptLines`` lines.
  package var output: [String] { self.outputLines.all }
  /// Standard error: the last ``FaultLimits/keptLines`` lines.
  package var errors: [String] { self.errorLines.all }

  /// The first line on standard error that fits, waited for.
  ///
  /// - Throws: ``TimedOut``, with what it said instead, also when it has ended.
  package func errorLine(_ fits: @Sendable (String) -> Bool) async throws -> String {
    try await self.answer(
      "a line on standard error; it said \(self.errors.suffix(8))", within: FaultLimits.start
    ) { self.errors.first(where: fits) }
  }

  /// Asks until there is an answer, or the program has ended.
  ///
  /// - Throws: ``TimedOut`` when there is none by then, or within `limit`.
  func answer<Value>(
    _ what: @autoclosure () -> String, within limit: Duration, _ ask: () async -> Value?
  ) async throws -> Value {
    let found = try await eventually(what(), limit: limit) { () -> Result<Value, TimedOut>? in
      // Asked first: what it said before it ended is all there by then.
      let hasEnded = self.process.exitStatus
      if let value = await ask() { return .success(value) }
      return hasEnded.map { status in
        .failure(TimedOut("the program \(status); it said \(self.errors.suffix(8))"))
      }
    }
    return try found.get()
  }

  /// Waits until the program has ended, and says how.
  ///
  /// - Returns: its exit code; -1 if a signal ended it.
  package func exitCode(within limit: Duration = .seconds(60)) async throws -> Int32 {
    let process = self.process
    _ = try await eventually(
      "the end of the program; it said \(self.errors.suffix(8))", limit: limit
    ) { process.exitStatus }
    // Until its last lines are there, too.
    guard case .exited(let code) = await process.waitForExit() else { return -1 }
    return code
  }
}

extension Program {
  static let own: String = {
    let link = "/proc/self/exe"
    let isThere = FileManager.default.fileExists(atPath: link)
    return URL(fileURLWithPath: isThere ? link : CommandLine.arguments[0])
      .resolvingSymlinksInPath().path
  }()

  package static let connectBesideTests = Program.besideTests("connect")

  /// Path of an executable that SwiftPM built for tests: beside their bundle.
  package static func besideTests(_ name: String) -> String {
    #if os(macOS)
      for bundle in Bundle.allBundles where bundle.bundlePath.hasSuffix(".xctest") {
        return bundle.bundleURL.deletingLastPathComponent().appendingPathComponent(name).path
      }
    #endif
    return Bundle.main.bundleURL.appendingPathComponent(name).path
  }
}

/// The last lines that a process has written.
private final class KeptLines: Sendable {
  private struct State {
    var lines = Deque<String>()
    var log: FileHandle?
  }

  private let state: Mutex<State>

  init(log path: String?) {
    var handle: FileHandle?
    if let path {
      _ = FileManager.default.createFile(atPath: path, contents: nil)
      handle = FileHandle(forWritingAtPath: path)
    }
    self.state = Mutex(State(log: handle))
  }

  var all: [String] { self.state.withLock { Array($0.lines) } }

  func append(_ line: String) {
    self.state.withLock { state in
      state.lines.append(line)
      if state.lines.count > FaultLimits.keptLines { state.lines.removeFirst() }
      try? state.log?.write(contentsOf: Data("\(line)\n".utf8))
    }
  }
}

/// An awaited event that did not come.
package struct TimedOut: Error, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }
}

/// Asks until there is an answer.
///
/// - Throws: ``TimedOut`` when there is none within `limit`.
func eventually<Value>(
  _ what: @autoclosure () -> String, limit: Duration = .seconds(60),
  _ ask: () async throws -> Value?
) async throws -> Value {
  let deadline = ContinuousClock.now + limit
  while true {
    if let value = try await ask() { return value }
    guard ContinuousClock.now < deadline else { break }
    try await Task.sleep(for: FaultLimits.poll)
  }
  throw TimedOut("timed out waiting for \(what())")
}
