// LocalRedis: child processes that end with this one, and a private redis-server made of one.
// For development and tests only.

import Dispatch
import Foundation
import Synchronization

/// A child process that ends when this process ends, however that happens.
///
/// It runs in the process group of its watchdog (see ``Watchdog``), not in ours: Ctrl-C in a
/// terminal reaches only this process, which then stops its children in order. It starts with the
/// default signal dispositions, an empty signal mask, and no descriptor of ours but its three
/// standard ones. Processes that the child started and left in its process group are killed when it
/// ends.
///
/// The child goes on when the last reference to this object is dropped.
package final class ChildProcess: Sendable {
  /// Destination of standard output or error.
  package enum Output: Sendable {
    /// To `/dev/null`.
    case discard
    /// To the destination of our own.
    case inherit
    /// Appended to a file, which is created with mode 0644 if missing.
    case file(path: String)
    /// To a function, one whole line at a time without its line feed, in order, and never two at
    /// once for one child. Lines of more than 64 KiB arrive in pieces. While the function runs
    /// nobody reads from the child, nor notices its end: it should be quick.
    case lines(@Sendable (String) -> Void)
  }

  /// Source of standard input.
  package enum Input: Sendable {
    /// `/dev/null`.
    case null
    /// Fed through ``ChildProcess/input``.
    case pipe
  }

  /// Another process may have the same identifier once the child has ended.
  package let processIdentifier: pid_t
  /// Nil unless standard input is ``Input/pipe``.
  package let input: InputPipe?

  private let watchdog: Watchdog
  private let readers: [LineReader]
  /// Reads output, reaps the child, and runs its timers.
  private let queue: DispatchQueue
  private let state = Mutex(State())

  private struct State {
    /// Once this is set, the child is reaped and its process identifier is no longer its own.
    var status: ExitStatus?
    /// Whether output was read to its end and the waiters were resumed.
    var isSettled = false
    var waiters: [CheckedContinuation<ExitStatus, Never>] = []
  }

  /// Starts a child process.
  ///
  /// - Parameters:
  ///   - executable: A path, or a name that is looked up with ``find(_:)``.
  ///   - arguments: Without the executable's own name.
  ///   - environment: Added to ours.
  ///   - workingDirectory: Ours if nil. Does not affect the paths of `executable` and of outputs.
  package init(
    executable: String,
    arguments: [String],
    environment: [String: String] = [:],
    workingDirectory: String? = nil,
    standardOutput: Output,
    standardError: Output,
    standardInput: Input = .null
  ) throws(ChildProcessError) {
    guard let path = Self.resolve(executable) else { throw .notFound(executable: executable) }
    let queue = DispatchQueue(label: "connect.child-process")
    let input = try PreparedInput(standardInput)
    let output = try PreparedOutput(standardOutput, queue: queue)
    let error = try PreparedOutput(standardError, queue: queue)
    let watchdog = try Watchdog(onParentsEnd: .killProcessGroup)
    do throws(ChildProcessError) {
      processIdentifier = try Spawn(
        executable: path,
        arguments: arguments,
        environment: ProcessInfo.processInfo.environment.merging(environment) { $1 },
        workingDirectory: workingDirectory,
        processGroup: watchdog.processIdentifier
      ).run(input: input.stream, output: output.stream, error: error.stream)
    } catch {
      watchdog.end()
      throw error
    }
    self.input = input.pipe
    self.watchdog = watchdog
    self.queue = queue
    readers = [output.reader, error.reader].compactMap(\.self)
    for reader in readers { reader.resume() }
    watchForExit()
  }

  /// Whether the child has not ended yet, as far as this process knows: at most about 10 ms late.
  package var isRunning: Bool { exitStatus == nil }

  package var exitStatus: ExitStatus? { state.withLock(\.status) }

  /// Sends a signal to the child, and says whether it was sent.
  ///
  /// Does nothing once the child has been reaped, so no other process that was given the same
  /// identifier can get it.
  @discardableResult
  package func signal(_ signal: Int32) -> Bool {
    // Reaping takes the same lock, so the identifier is the child's own while it is held.
    state.withLock { state in
      state.status == nil && kill(processIdentifier, signal) == 0
    }
  }

  /// Waits until the child has ended and its lines of output were delivered.
  ///
  /// Any number of tasks may wait. Cancellation does not end the wait: cleaning up is often done by
  /// a cancelled task.
  package func waitForExit() async -> ExitStatus {
    await withCheckedContinuation { waiter in
      let settled: ExitStatus? = state.withLock { state in
        if state.isSettled { return state.status }
        state.waiters.append(waiter)
        return nil
      }
      if let settled { waiter.resume(returning: settled) }
    }
  }

  /// Asks the child to end (SIGTERM), kills it after `grace`, and waits for its end.
  @discardableResult
  package func terminate(grace: Duration) async -> ExitStatus {
    if signal(SIGTERM) {
      // A stopped process would not notice.
      signal(SIGCONT)
      queue.asyncAfter(deadline: .now() + grace / .seconds(1)) { [weak self] in
        _ = self?.signal(SIGKILL)
      }
    }
    return await waitForExit()
  }

  // MARK: Reaping

  /// Keeps this object until the child has ended.
  ///
  /// A thread that waits, and no dispatch source: those of Linux can crash when one is cancelled just as
  /// its event comes (seen once in some ten thousand children, on a busy machine).
  private func watchForExit() {
    Thread.detachNewThread {
      var information = siginfo_t()
      // Not reaped yet, so the identifier is the child's.
      while waitid(P_PID, id_t(self.processIdentifier), &information, WEXITED | WNOWAIT) != 0,
        errno == EINTR
      {}
      self.queue.async { self.reapSoon() }
    }
  }

  /// Reaps the child as soon as it can be: a little after its end is reported, or long after this
  /// call, where the system is too old to report it.
  private func reapSoon() {
    if !reap() {
      queue.asyncAfter(deadline: .now() + LocalRedisLimits.reapInterval) { self.reapSoon() }
    }
  }

  /// Reaps the child if it has ended, and returns whether it has.
  private func reap() -> Bool {
    let status: ExitStatus? = state.withLock { state in
      state.status = ExitStatus(reaping: processIdentifier)
      return state.status
    }
    guard let status else { return false }
    watchdog.end()
    for reader in readers { reader.drain() }
    let waiters = state.withLock { state in
      defer { state.waiters = [] }
      state.isSettled = true
      return state.waiters
    }
    for waiter in waiters { waiter.resume(returning: status) }
    return true
  }
}

extension ChildProcess {
  /// Path of an executable: searched in `PATH`, then in Homebrew's directories.
  package static func find(_ name: String) -> String? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    let directories = path.split(separator: ":").map(String.init)
    return (directories + ["/opt/homebrew/bin", "/usr/local/bin"])
      .lazy
      .map { "\($0)/\(name)" }
      .first(where: isExecutable)
  }

  /// An absolute path, since the child looks it up from its own working directory.
  private static func resolve(_ executable: String) -> String? {
    guard executable.contains("/") else { return find(executable) }
    guard isExecutable(executable) else { return nil }
    if executable.hasPrefix("/") { return executable }
    return "\(FileManager.default.currentDirectoryPath)/\(executable)"
  }

  private static func isExecutable(_ path: String) -> Bool {
    var isDirectory: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
      && !isDirectory.boolValue && access(path, X_OK) == 0
  }
}
