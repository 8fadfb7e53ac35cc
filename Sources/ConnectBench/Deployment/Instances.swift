import Foundation
import LocalRedis
import Synchronization

extension Deployment {
  /// The processes of a deployment, in the order of their start.
  final class Instances: Sendable {
    private let state = Mutex<[Instance]>([])

    /// Those that were started and not removed.
    var all: [Instance] { self.state.withLock(\.self) }

    /// Those of a service that were started and not removed.
    func all(_ service: Service) -> [Instance] { self.all.filter { $0.service == service } }

    /// Those of a service that run.
    func running(_ service: Service) -> [Instance] {
      self.all(service).filter(\.process.isRunning)
    }

    func add(_ instance: Instance) { self.state.withLock { $0.append(instance) } }

    func remove(_ instance: Instance) {
      self.state.withLock { instances in instances.removeAll { $0 === instance } }
    }

    /// Removes those that have ended, asked or not.
    func takeEnded() -> [Instance] {
      self.state.withLock { instances in
        let ended = instances.filter { !$0.process.isRunning }
        instances.removeAll { instance in ended.contains { $0 === instance } }
        return ended
      }
    }

    /// Asks several to end at once, and waits until they have.
    ///
    /// - Parameter killed: told of each that took longer than `grace`, and was killed.
    static func end(
      _ instances: [Instance], grace: Duration,
      killed: @escaping @Sendable (Instance) -> Void = { _ in }
    ) async {
      await withTaskGroup { group in
        for instance in instances {
          group.addTask {
            let begin = ContinuousClock.now
            let status = await instance.end(grace: grace)
            // It may have been killed sooner, by somebody else.
            if status == .signalled(SIGKILL), ContinuousClock.now >= begin + grace {
              killed(instance)
            }
          }
        }
      }
    }
  }
}
