import Foundation
import LocalRedis
import Settings

/// A rolling restart of gateways and messaging instances, one by one, as in a deployment.
struct StandRoll: Sendable {
  /// A request: a line of text between `infra/local/roll` and the stand.
  struct Request: Sendable, Codable {
    /// Services whose instances are replaced, in this order.
    let services: [String]
    /// After how many seconds what is left of a gateway's sockets is cut, and the gateway stopped only
    /// then. Nil: it is stopped at once, and tells its clients to go.
    let cutAfter: Int?
  }

  let stand: Stand
  let request: Request
  /// Shows one line to the requester.
  let show: @Sendable (String) async -> Void

  func run() async throws {
    let begin = ContinuousClock.now
    var unclean = 0
    for service in self.request.services.compactMap(Deployment.Service.init(rawValue:)) {
      // Those that are there now; not the new ones.
      for old in self.stand.running(service) {
        try await self.startNew(service)
        if try await self.stopOld(old) != 0 { unclean += 1 }
      }
    }
    await self.step("all replaced after \(Self.seconds(since: begin))")
    guard unclean == 0 else {
      throw Failure(
        .running,
        "\(unclean) did not end with exit code 0; see \(self.stand.options.directory.logs)")
    }
  }

  /// Starts a new instance, and returns once it serves.
  private func startNew(_ service: Deployment.Service) async throws {
    let begin = ContinuousClock.now
    let taken = self.stand.running(service).map(\.place)
    guard let place = (1...StandLimits.places).first(where: { !taken.contains($0) }) else {
      throw Failure(.running, "there is no place for another \(service.rawValue)")
    }
    try await self.stand.balancer.forgetHealth(
      StandBalancer.Server(service: service, place: place))
    let new = try self.stand.start(service, place: place, isOnTrial: true)
    let port = self.stand.options.ports[StandPorts.management(of: service), place]
    await self.step(
      "\(new.id): starting; /readyz and /metrics are at http://localhost:\(port)")
    do {
      try await self.stand.waitUntilServing(new)
    } catch {
      if let status = new.process.exitStatus {
        await self.step("\(new.id): ended with exit code \(status.code)")
      }
      // One that does not serve yet is not kept.
      await new.end(grace: StandLimits.stop)
      guard let failure = error as? Failure else { throw error }
      throw Failure(
        .running,
        "\(failure); the instance that it was to replace stays\n"
          + self.stand.options.directory.lastLines(new.id))
    }
    await self.step(
      "\(new.id): ready, and healthy for the load balancer, after \(Self.seconds(since: begin))")
    new.endTrial()
  }

  /// Takes an old instance out of the load balancer, and waits for its end.
  ///
  /// - Returns: its exit code.
  private func stopOld(_ old: Deployment.Instance) async throws -> Int32 {
    let balancer = self.stand.balancer
    try await balancer.takeOut(old.server)
    await self.step(
      "\(old.id): out of the load balancer, with \(await balancer.sockets(old.server)) sockets")
    var limit = StandLimits.stop
    if old.service == .gateway {
      limit += .seconds(self.stand.options.drainSeconds)
      if let cutAfter = self.request.cutAfter {
        do {
          try await Task.sleep(for: .seconds(cutAfter))
        } catch {
          // Whoever has asked is gone. Nobody needs an instance that is out of the load balancer.
          old.retire()
          throw error
        }
        await self.step(
          "\(old.id): \(await balancer.sockets(old.server)) sockets are left, and cut off")
        try await balancer.cut(old.server)
      }
    }
    let begin = ContinuousClock.now
    old.retire()
    await self.step("\(old.id): SIGTERM")
    while old.process.isRunning {
      guard ContinuousClock.now < begin + limit else {
        throw Failure(
          .running,
          "\(old.id) has not ended within \(limit.components.seconds) s; it is left alone")
      }
      try await Task.sleep(for: StandLimits.poll)
    }
    let code = old.process.exitStatus?.code ?? 0
    await self.step("\(old.id): ended with exit code \(code) after \(Self.seconds(since: begin))")
    return code
  }

  /// Shows what was done, with the time of day.
  private func step(_ text: String) async {
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.dateFormat = "HH:mm:ss"
    await self.show("\(format.string(from: Date()))  \(text)")
  }

  private static func seconds(since begin: ContinuousClock.Instant) -> String {
    String(format: "%.1f s", begin.duration(to: .now) / .seconds(1))
  }
}

extension ExitStatus {
  /// As shells count: 128 and the signal, if one has ended it.
  var code: Int32 {
    switch self {
    case .exited(let code): code
    case .signalled(let signal): 128 + signal
    }
  }
}
