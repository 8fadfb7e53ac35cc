import ConnectClient
import Foundation
import LocalRedis
import Synchronization

extension Deployment {
  /// Kind of a process.
  package enum Service: String, Sendable {
    /// Keeps sockets.
    case gateway
    /// Stores and routes.
    case messaging
    /// A node of Redis.
    case redis
    /// HAProxy.
    case balancer
  }

  /// One process of a deployment. It ends with this process, however that ends.
  package final class Instance: Sendable {
    package let service: Service
    /// No other process of the deployment has had or will get it; the `--instance-id` of one of
    /// `connect`.
    package let id: String
    package let program: Program
    /// Where a gateway listens; 0 for others.
    package let port: Int
    /// Its place, from 1, where ports are fixed: they follow from it.
    let place: Int
    private let isExpectedToEnd: Mutex<Bool>

    /// - Parameter isOnTrial: it may end: whoever has started it looks after it.
    init(
      _ service: Service, id: String, program: Program, port: Int = 0, place: Int = 1,
      isOnTrial: Bool = false
    ) {
      self.service = service
      self.id = id
      self.program = program
      self.port = port
      self.place = place
      self.isExpectedToEnd = Mutex(isOnTrial)
    }

    var process: ChildProcess { self.program.process }

    /// Where clients of a gateway connect.
    package var endpoint: ConnectEndpoint { ConnectEndpoint(host: "127.0.0.1", port: self.port) }
    package var url: String { "ws://127.0.0.1:\(self.port)" }

    // MARK: Its end

    /// Whether it has ended though nobody asked it to.
    var hasEndedUnasked: Bool {
      !self.process.isRunning && !self.isExpectedToEnd.withLock(\.self)
    }

    /// How it has ended, as a sentence; nil while it runs.
    var ending: String? {
      switch self.process.exitStatus {
      case .exited(let code): "\(self.id) ended with exit code \(code)."
      case .signalled(let signal): "\(self.id) \(ExitStatus.signalled(signal))."
      case nil: nil
      }
    }

    /// From now on, it is not to end unasked.
    func endTrial() { self.isExpectedToEnd.withLock { $0 = false } }

    /// Asks it to end (SIGTERM).
    func retire() {
      self.isExpectedToEnd.withLock { $0 = true }
      self.process.signal(SIGTERM)
    }

    /// Asks it to end (SIGTERM), kills it if it takes too long, and waits until it has ended.
    @discardableResult
    func end(grace: Duration) async -> ExitStatus {
      self.isExpectedToEnd.withLock { $0 = true }
      return await self.process.terminate(grace: grace)
    }

    // MARK: Pauses

    /// Stops the process where it is (SIGSTOP): its sockets stay, and nothing answers.
    package func pause() { self.process.signal(SIGSTOP) }
    /// Ends a ``pause()``.
    package func resume() { self.process.signal(SIGCONT) }
  }
}
