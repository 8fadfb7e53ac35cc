import Foundation
import Synchronization

/// A tiny shell that acts when this process has ended, however it ended.
///
/// It reads from a pipe whose only writing end is ours. The end of this process closes it, even after
/// SIGKILL, and the shell reads the end of the file.
///
/// It leads a process group of its own, in which it may have company. It kills by that group, of
/// which it is part, never by the identifier of a process: so it can reach nothing but its company,
/// no matter which identifiers were given to other processes by then. It starts before its company
/// does: there is no moment in which a child has no watchdog.
///
/// All signals that can be blocked are. Once this process has ended, the group is orphaned, and if a
/// member of it is stopped, the system sends SIGHUP to all.
final class Watchdog: Sendable {
  enum Action {
    /// Kills the watchdog's process group.
    case killProcessGroup
    /// Removes a directory made by ``TemporaryDirectory``, and nothing else.
    case remove(TemporaryDirectory.Path)

    var script: String {
      switch self {
      case .killProcessGroup: "read _; kill -KILL 0"
      // Twice, since what was writing there may have added a file meanwhile.
      case .remove: #"read _; rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }"#
      }
    }

    var arguments: [String] {
      switch self {
      case .killProcessGroup: []
      case .remove(let path): [path.string]
      }
    }
  }

  /// Of the shell, and of its process group. Reserved until ``end()``.
  let processIdentifier: pid_t
  /// Open until ``end()``, even after the last reference to this object is gone.
  private let lifeline: Mutex<Int32?>

  init(onParentsEnd action: Action) throws(ChildProcessError) {
    let pipe = try DescriptorPair.pipe()
    processIdentifier = try Spawn(
      executable: "/bin/sh",
      arguments: ["-c", action.script, "sh"] + action.arguments,
      environment: ["PATH": "/usr/bin:/bin"],
      workingDirectory: "/",
      processGroup: 0,
      blockedSignals: .allButChild
    ).run(input: .descriptor(pipe.first), output: .null, error: .null)
    self.lifeline = Mutex(pipe.second.release())
  }

  /// Kills the watchdog and everything else in its process group.
  func end() {
    lifeline.withLock { lifeline in
      guard let descriptor = lifeline else { return }
      lifeline = nil
      // Not reaped yet, so the group's identifier is still its own.
      kill(-processIdentifier, SIGKILL)
      var status: Int32 = 0
      while waitpid(processIdentifier, &status, 0) < 0 && errno == EINTR {}
      close(descriptor)
    }
  }
}
