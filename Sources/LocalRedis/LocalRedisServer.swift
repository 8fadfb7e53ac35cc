import Foundation
import Synchronization

/// A private redis-server for development and tests.
///
/// It listens on 127.0.0.1 only, and ends when this process ends, however that happens. It goes on
/// when the last reference to this object is dropped. ``stop()``, ``kill()`` and ``restart()`` are to
/// be called one after the other, not at once.
package final class LocalRedisServer: Sendable {
  let ports: ServerPorts
  private let options: Options
  private let executable: String
  private let state: Mutex<State>

  private struct State {
    var process: ChildProcess
    var directory: DataDirectory
    var isPaused = false
  }

  private init(options: Options, executable: String, ports: ServerPorts, state: State) {
    self.options = options
    self.executable = executable
    self.ports = ports
    self.state = Mutex(state)
  }

  /// The plain port on 127.0.0.1; where there is none, that of TLS.
  package var port: Int { ports.plain }

  /// The TLS port on 127.0.0.1, if there is one.
  package var tlsPort: Int? { ports.tls }

  /// The port of the cluster's bus, if it is not the usual one.
  package var busPort: Int? { options.place?.busPort }

  /// The server's plain address: `redis://127.0.0.1:PORT`.
  package var url: String { "redis://127.0.0.1:\(port)" }

  /// The TLS address, if there is a TLS port: `rediss://localhost:PORT`.
  package var tlsURL: String? { tlsPort.map { "rediss://localhost:\($0)" } }

  /// Whether the process has neither ended nor been paused by ``pause()``.
  package var isRunning: Bool {
    state.withLock { $0.process.isRunning && !$0.isPaused }
  }

  /// Of the latest process.
  package var processIdentifier: pid_t { process.processIdentifier }

  package var dataDirectory: String { directory.path }

  /// The latest one.
  package var process: ChildProcess { state.withLock(\.process) }
  var access: CommandAccess { options.access(ports) }

  private var directory: DataDirectory { state.withLock(\.directory) }
}

extension LocalRedisServer {
  /// Starts a server and returns once it answers, after 10 to 20 ms.
  ///
  /// When the task is cancelled meanwhile, the server is killed and ``LocalRedisError/cancelled``
  /// thrown.
  package static func start(
    _ options: Options = Options()
  ) async throws(LocalRedisError) -> LocalRedisServer {
    let executable = try locate(options.executable)
    let directory = try DataDirectory(options.givenDirectory)
    do throws(LocalRedisError) {
      var attempts = 1
      while true {
        let ports =
          if let place = options.place { ServerPorts(place) } else {
            try ServerPorts(plain: options.port, isTLS: options.tls != nil)
          }
        do throws(LocalRedisError) {
          let process = try await launch(options, executable, ports: ports, directory: directory)
          return LocalRedisServer(
            options: options, executable: executable, ports: ports,
            state: State(process: process, directory: directory))
        } catch .portInUse(let port)
          where options.place == nil && port != options.port
          && attempts < LocalRedisLimits.portAttempts
        {
          attempts += 1
        }
      }
    } catch {
      directory.removeIfTemporary()
      throw error
    }
  }

  /// Asks the server to end, waits for that, and removes its temporary directory.
  package func stop() async {
    await end()
    directory.removeIfTemporary()
  }

  /// Asks the server to end, and waits for that. Its files stay.
  package func end() async {
    await process.terminate(grace: LocalRedisLimits.serverGrace)
  }

  /// Kills the server (SIGKILL), like a crash, and waits for its end. Its files stay.
  package func kill() async {
    process.signal(SIGKILL)
    _ = await process.waitForExit()
  }

  /// Starts the server again, on the same port and with the same files, and returns once it answers.
  ///
  /// A running server is asked to end first. After ``stop()``, which removes the temporary directory,
  /// the server starts empty unless its directory is the caller's.
  package func restart() async throws(LocalRedisError) {
    await end()
    var directory = directory
    if !directory.exists { directory = try DataDirectory(options.givenDirectory) }
    let process = try await Self.launch(options, executable, ports: ports, directory: directory)
    state.withLock { $0 = State(process: process, directory: directory) }
  }

  /// Suspends the server's process (SIGSTOP): connections stay open, and nothing answers.
  package func pause() {
    state.withLock { state in
      state.process.signal(SIGSTOP)
      state.isPaused = true
    }
  }

  /// Ends a ``pause()``.
  package func resume() {
    state.withLock { state in
      state.process.signal(SIGCONT)
      state.isPaused = false
    }
  }

  private static func locate(_ executable: String?) throws(LocalRedisError) -> String {
    if let executable = executable ?? ChildProcess.find("redis-server") { return executable }
    throw .notInstalled(path: nil)
  }

  /// Starts the process, and waits until this process answers on the port.
  private static func launch(
    _ options: Options, _ executable: String, ports: ServerPorts, directory: DataDirectory
  ) async throws(LocalRedisError) -> ChildProcess {
    let output = LastLines(of: options.place?.log)
    let stream = options.place.map { ChildProcess.Output.file(path: $0.log) }
    let process: ChildProcess
    do throws(ChildProcessError) {
      process = try ChildProcess(
        executable: executable,
        arguments: options.arguments(ports: ports, directory: directory.path),
        workingDirectory: directory.path,
        standardOutput: stream ?? .lines(output.append),
        standardError: stream ?? .lines(output.append))
    } catch .notFound {
      throw .notInstalled(path: executable)
    } catch {
      throw .refused(error)
    }
    do throws(LocalRedisError) {
      try await waitUntilReady(process, executable, options.access(ports), output: output)
    } catch {
      process.signal(SIGKILL)
      _ = await process.waitForExit()
      throw error
    }
    return process
  }

  private static func waitUntilReady(
    _ process: ChildProcess, _ executable: String, _ access: CommandAccess, output: LastLines
  ) async throws(LocalRedisError) {
    let deadline = ContinuousClock.now + LocalRedisLimits.serverStart
    while !RedisProbe.isReady(access, processIdentifier: process.processIdentifier) {
      if !process.isRunning {
        let status = await process.waitForExit()
        if let port = output.portInUse { throw .portInUse(port) }
        throw .ended(executable: executable, status, output: output.lines)
      }
      if ContinuousClock.now > deadline {
        throw .silent(
          executable: executable, after: LocalRedisLimits.serverStart, output: output.lines)
      }
      do {
        try await Task.sleep(for: LocalRedisLimits.serverPoll)
      } catch {
        throw .cancelled
      }
    }
  }
}

/// Directory of a server's files: the caller's, or a temporary one.
private enum DataDirectory: Sendable {
  case given(path: String)
  case temporary(TemporaryDirectory)

  init(_ given: String?) throws(LocalRedisError) {
    do throws(ChildProcessError) {
      guard let given else {
        self = .temporary(try TemporaryDirectory())
        return
      }
      // Absolute, since the server starts in it.
      let url = URL(fileURLWithPath: given, isDirectory: true)
      guard
        (try? FileManager.default.createDirectory(at: url, withIntermediateDirectories: true))
          != nil
      else { throw .refused(operation: "making \(url.path)", code: errno) }
      self = .given(path: url.path)
    } catch {
      throw .refused(error)
    }
  }

  var path: String {
    switch self {
    case .given(let path): path
    case .temporary(let directory): directory.path.string
    }
  }

  var exists: Bool { FileManager.default.fileExists(atPath: path) }

  func removeIfTemporary() {
    if case .temporary(let directory) = self { directory.remove() }
  }
}

/// The last lines of a server's output, to be shown if it fails.
private final class LastLines: Sendable {
  private let kept = Mutex<[String]>([])
  private let file: String?

  /// - Parameter file: the path of the file that gets the lines instead.
  init(of file: String?) { self.file = file }

  var lines: [String] {
    guard let file else { return kept.withLock(\.self) }
    let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
    return text.split(whereSeparator: \.isNewline).suffix(LocalRedisLimits.shownLines)
      .map(String.init)
  }

  /// The port in `… listening socket 127.0.0.1:6379: bind: Address already in use`.
  var portInUse: Int? {
    lines.lazy.compactMap { line in
      guard let end = line.range(of: ": bind: Address already in use") else { return nil }
      return line[..<end.lowerBound].split(separator: ":").last.flatMap { Int($0) }
    }.first
  }

  @Sendable func append(_ line: String) {
    guard !line.allSatisfy(\.isWhitespace) else { return }
    kept.withLock { kept in
      kept.append(line)
      if kept.count > LocalRedisLimits.shownLines { kept.removeFirst() }
    }
  }
}
