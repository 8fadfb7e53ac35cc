import Foundation
import Synchronization

/// Whether a process runs. One that has ended but was not reaped does not.
package func isRunning(_ process: pid_t) -> Bool {
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
package final class Lines: Sendable {
  private let lines = Mutex<[String]>([])

  package init() {}

  package var all: [String] { lines.withLock(\.self) }

  @Sendable package func append(_ line: String) {
    lines.withLock { $0.append(line) }
  }
}
