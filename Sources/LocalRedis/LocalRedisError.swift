import Foundation

/// Why a private redis-server, or a cluster of them, failed.
package enum LocalRedisError: Error, Sendable, Hashable, CustomStringConvertible, LocalizedError {
  /// There is no redis-server in `PATH`, or none at the given path.
  case notInstalled(path: String?)
  /// The system refused to start the server, or to create its directory.
  case refused(ChildProcessError)
  /// Another process listens on the requested port, or took every free one that was tried.
  case portInUse(Int)
  /// The server ended instead of answering. The last lines of its output say why.
  case ended(executable: String, ExitStatus, output: [String])
  /// The server did not answer in time, and was killed.
  case silent(executable: String, after: Duration, output: [String])
  /// The task was cancelled before the server answered, and the server was killed; or while a cluster
  /// was waited for.
  case cancelled
  /// A command was not answered: not in time, not at all, or not in RESP2.
  case unanswered(command: String, port: Int, cause: String)
  case errorReply(command: String, port: Int, reply: String)
  /// A cluster did not reach the awaited state. `missing` tells what was lacking at the end.
  case unsettled(goal: String, after: Duration, missing: String)
  /// A cluster cannot do what was asked in its present state.
  case impossible(reason: String)

  package var description: String {
    switch self {
    case .notInstalled(let path):
      """
      \(path.map { "there is no redis-server at \($0)" } ?? "redis-server was not found in PATH"): \
      install it with `apt-get install redis-server` (Debian, Ubuntu) or `brew install redis` (macOS)
      """
    case .refused(let cause):
      "redis-server could not be started: \(cause)"
    case .portInUse(let port):
      "port \(port) is in use: end what listens there, or choose another port or none"
    case .ended(let executable, let status, let output):
      "\(executable) \(status) instead of answering\(Self.quote(output))"
    case .silent(let executable, let duration, let output):
      "\(executable) did not answer within \(duration)\(Self.quote(output))"
    case .cancelled:
      "starting redis-server was cancelled, or waiting for it"
    case .unanswered(let command, let port, let cause):
      "redis-server on port \(port) did not answer \(command): \(cause)"
    case .errorReply(let command, let port, let reply):
      "redis-server on port \(port) answered \(command) with: \(reply)"
    case .unsettled(let goal, let duration, let missing):
      "within \(duration) it did not come to this: \(goal); at last, \(missing)"
    case .impossible(let reason):
      reason
    }
  }

  package var errorDescription: String? { description }

  private static func quote(_ output: [String]) -> String {
    guard !output.isEmpty else { return ", and said nothing" }
    return "; it said:\n" + output.map { "  \($0)" }.joined(separator: "\n")
  }
}
