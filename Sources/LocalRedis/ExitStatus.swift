import Foundation

package enum ExitStatus: Sendable, Hashable, CustomStringConvertible {
  /// By itself, with this code.
  case exited(Int32)
  /// By this signal.
  case signalled(Int32)

  package var description: String {
    switch self {
    case .exited(let code): "exited with code \(code)"
    case .signalled(let signal): "was ended by signal \(signal)"
    }
  }

  /// Reaps a child process if it has ended; nil if it has not.
  init?(reaping child: pid_t) {
    var status: Int32 = 0
    var reaped = waitpid(child, &status, WNOHANG)
    while reaped < 0 && errno == EINTR { reaped = waitpid(child, &status, WNOHANG) }
    if reaped == 0 { return nil }
    // ECHILD: something else in this process reaps every child, and took the status along.
    if reaped < 0 { self = .exited(-1) } else { self.init(waitStatus: status) }
  }

  /// Decodes the status of `waitpid`, whose C macros are not imported.
  init(waitStatus status: Int32) {
    let signal = status & 0x7f
    self = signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
  }
}
