import Foundation

package enum ChildProcessError: Error, Sendable, Hashable, CustomStringConvertible {
  /// There is no such executable: not at that path, or not in `PATH`.
  case notFound(executable: String)
  /// The system refused an operation, with this `errno`.
  case refused(operation: String, code: Int32)

  package var description: String {
    switch self {
    case .notFound(let executable):
      executable.contains("/")
        ? "there is no executable at \(executable)"
        : "\(executable) was not found in PATH: install it, or give its path"
    case .refused(let operation, let code):
      "\(operation) failed: \(String(cString: strerror(code)))"
    }
  }
}
