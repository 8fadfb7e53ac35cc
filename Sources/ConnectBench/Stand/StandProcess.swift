import Foundation
import LocalRedis
import Synchronization

/// A process of a stand. It ends with this process, however that ends.
final class StandProcess: Sendable {
  enum Service: String, Sendable {
    case redis
    case messaging
    case gateway
    case balancer
  }

  let service: Service
  /// No other process of this state directory has had or will get the name.
  let name: String
  /// From 1; determines its ports.
  let place: Int
  let process: ChildProcess
  private let isExpectedToEnd: Mutex<Bool>

  /// - Parameter isOnTrial: It may end: the caller watches it.
  init(
    _ service: Service, name: String, place: Int, process: ChildProcess, isOnTrial: Bool = false
  ) {
    self.service = service
    self.name = name
    self.place = place
    self.process = process
    self.isExpectedToEnd = Mutex(isOnTrial)
  }

  /// Port of `/healthz`, `/readyz` and `/metrics` of a gateway or a messaging instance.
  static func managementPort(of service: Service) -> StandPorts.Kind {
    service == .gateway ? .gatewayManagement : .messagingManagement
  }

  /// Its server in the load balancer.
  var server: StandBalancer.Server {
    StandBalancer.Server(service: self.service, place: self.place)
  }

  /// Whether it ended without being asked to.
  var hasEndedUnasked: Bool {
    self.process.exitStatus != nil && !self.isExpectedToEnd.withLock(\.self)
  }

  /// Treats an end as unexpected from now on.
  func endTrial() { self.isExpectedToEnd.withLock { $0 = false } }

  /// Asks it to end (SIGTERM).
  func retire() {
    self.isExpectedToEnd.withLock { $0 = true }
    self.process.signal(SIGTERM)
  }

  /// Asks it to end, and kills it if it takes too long.
  func end() async -> ExitStatus {
    self.isExpectedToEnd.withLock { $0 = true }
    return await self.process.terminate(grace: StandLimits.stop)
  }
}

extension ExitStatus {
  /// As in shells: 128 plus the signal, if one has ended it.
  var code: Int32 {
    switch self {
    case .exited(let code): code
    case .signalled(let signal): 128 + signal
    }
  }
}
