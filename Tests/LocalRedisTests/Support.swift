import Foundation
import LocalRedis
import Synchronization

/// Waits until a condition holds, and says whether it came to that.
func eventually(
  within duration: Duration = .seconds(60), _ condition: () -> Bool
) async throws -> Bool {
  let deadline = ContinuousClock.now + duration
  while !condition() {
    if ContinuousClock.now > deadline { return false }
    try await Task.sleep(for: .milliseconds(5))
  }
  return true
}

/// Whether a process runs. One that has ended but was not reaped does not.
func isRunning(_ process: pid_t) -> Bool {
  guard kill(process, 0) == 0 else { return false }
  #if os(Linux)
    guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      let state = stat.split(separator: ")").last?.split(separator: " ").first
    else { return false }
    return state != "Z" && state != "X"
  #else
    return true
  #endif
}

/// Collects lines of output.
final class Lines: Sendable {
  private let lines = Mutex<[String]>([])

  var all: [String] { lines.withLock(\.self) }

  @Sendable func append(_ line: String) {
    lines.withLock { $0.append(line) }
  }
}

/// Runs a shell script to its end.
func shell(
  _ script: String, environment: [String: String] = [:], workingDirectory: String? = nil
) async throws -> (status: ExitStatus, lines: [String]) {
  let lines = Lines()
  let child = try ChildProcess(
    executable: "/bin/sh", arguments: ["-c", script], environment: environment,
    workingDirectory: workingDirectory, standardOutput: .lines(lines.append),
    standardError: .inherit)
  return (await child.waitForExit(), lines.all)
}

/// Sends one inline command to a redis-server and returns the first line of its reply.
func redis(_ command: String, port: Int) async throws -> String {
  let lines = Lines()
  let client = try ChildProcess(
    executable: "redis-cli",
    arguments: ["-h", "127.0.0.1", "-p", "\(port)"]
      + command.split(separator: " ").map(String.init),
    standardOutput: .lines(lines.append), standardError: .inherit)
  _ = await client.waitForExit()
  return lines.all.first ?? ""
}

/// A directory for one test.
func withTemporaryDirectory<Result>(
  _ body: (String) async throws -> Result
) async throws -> Result {
  let url = FileManager.default.temporaryDirectory
    .appendingPathComponent("connect-test-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: url) }
  return try await body(url.path)
}

/// Where the package's executables are: beside the bundle of its tests.
var productsDirectory: URL {
  #if os(macOS)
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") } ?? .main
    return bundle.bundleURL.deletingLastPathComponent()
  #else
    return Bundle.main.bundleURL
  #endif
}
