import ConnectBench
import TestSupport
import Testing

/// The deployment and the load of all fault tests: few processes, and few people who write little,
/// so that a busy machine can carry it in a debug build.
enum Stand {
  /// Leases that end, and silences that are noticed, within a test's time.
  static let gatewayArguments = ["--ping-seconds", "2", "--drain-seconds", "2"]
  static let messagingArguments = ["--lease-seconds", "2"]

  /// Deployments that run side by side. One is idle for most of its time: it waits for leases, silences and
  /// restarts, all the more with an optimized build, which computes half as much.
  #if DEBUG
    static let places = TestSemaphore(count: 3)
  #else
    static let places = TestSemaphore(count: 6)
  #endif

  static var options: Deployment.Options {
    var options = Deployment.Options(executable: Program.connectBesideTests)
    options.messaging = 2
    options.redis = .tested
    options.persistence = .appendOnly(fsync: .always)
    options.gatewayArguments = self.gatewayArguments
    options.messagingArguments = self.messagingArguments
    // Where nodes are lost for good, only what a replica has is safe.
    if options.redis.replicas > 0 { options.durability = .replicated(1) }
    return options
  }

  static func run(_ faults: [FaultKind], rounds: Int = 1) -> FaultRun {
    var run = FaultRun(self.options, faults: faults)
    run.chatters = Chatters.Options(users: 12, rate: 50)
    run.rounds = rounds
    run.pauseSeconds = 6
    return run
  }

  /// The same, with raw senders, and people who write less instead.
  static func openLoop(_ faults: [FaultKind], rounds: Int = 1) -> FaultRun {
    var run = self.run(faults, rounds: rounds)
    run.chatters = Chatters.Options(users: 12, rate: 40)
    run.chatters.rawSenders = 12
    run.chatters.rawRate = 200
    return run
  }

  /// Runs it, prints what was counted, and expects that it is sound.
  ///
  @discardableResult
  static func expectSound(
    _ run: FaultRun, claiming claim: TestSemaphore.Claim = .inTurn,
    look: (Deployment) async throws -> Void = { _ in }
  ) async throws -> FaultReport {
    let report = try await self.places.withPlace(claim) {
      try await run.run(
        progress: { progress in
          if case .event(let text) = progress { print(text) }
        }, look: look)
    }
    print(report.table())
    #expect(report.isSound, "\(report.table())")
    #expect(report.accepted > 0)
    #expect(report.shown > report.accepted, "some users have two devices")
    return report
  }
}
