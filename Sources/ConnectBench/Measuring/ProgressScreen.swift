import Foundation
import Synchronization

/// The progress of a benchmark, on standard error: the counts in one line that is written over
/// where that is a terminal, and now and then where it is not.
final class ProgressScreen: Sendable {
  private let shownEvery: Int
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let statuses = Mutex(0)

  /// - Parameter shownEvery: Without a terminal, one status in this many is shown.
  init(shownEvery: Int) { self.shownEvery = shownEvery }

  /// Shows progress while `body` runs, however that ends: what is printed next has a line of its own.
  static func during<Result>(
    _ body: (ProgressScreen) async throws -> Result
  ) async rethrows -> Result {
    let screen = ProgressScreen(shownEvery: 1)
    defer { screen.end() }
    return try await body(screen)
  }

  /// Prints a line that stays.
  func event(_ text: String) { self.write(self.isTerminal ? "\r\u{1B}[K\(text)\n" : "\(text)\n") }

  /// Shows the present counts in place of the previous ones.
  func status(_ text: String) {
    let count = self.statuses.withLock { count in
      count += 1
      return count
    }
    if self.isTerminal { return self.write("\r\u{1B}[K\(text)") }
    if count % self.shownEvery == 0 { self.write("  \(text)\n") }
  }

  /// Shows a status every second until its task is cancelled.
  ///
  /// - Parameter text: makes it, of the seconds so far.
  func follow(_ text: @Sendable (Int) async -> String?) async {
    var seconds = 0
    while (try? await Task.sleep(for: .seconds(1))) != nil {
      seconds += 1
      guard let text = await text(seconds) else { return }
      self.status(text)
    }
  }

  /// Leaves the line of the counts.
  func end() {
    if self.isTerminal, self.statuses.withLock({ $0 > 0 }) { self.write("\n") }
  }

  private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
