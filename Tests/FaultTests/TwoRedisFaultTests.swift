import ConnectBench
import LocalCluster
import LocalRedis
import TestSupport
import Testing

extension FaultTests {
  /// A deployment whose users' keys are in a Redis of their own.
  private static func run(
    _ faults: [FaultKind], _ bus: LocalRedisInstallation.Kind = .tested,
    _ registry: LocalRedisInstallation.Kind = .tested, rounds: Int = 1
  ) -> FaultRun {
    var run = Stand.run(faults, rounds: rounds)
    run.deployment.redis = bus
    run.deployment.registry = registry
    let replicas = min(bus.replicas, registry.replicas)
    run.deployment.durability = replicas > 0 ? .replicated(1) : .accepted
    return run
  }

  @Test(
    "when there are two Redis, and either is killed, paused, full or has forgotten all",
    arguments: [
      (FaultKind.killRegistry, 2), (.killRedis, 1), (.pauseRegistry, 1), (.fillRegistry, 1),
      (.flushRegistry, 2), (.flush, 1),
    ])
  func eitherRedis(fault: FaultKind, rounds: Int) async throws {
    let run = Self.run([fault], rounds: rounds)
    let report = try await Stand.expectSound(run) { deployment in
      let users = [
        "connect:session:*", "connect:mailbox:*", "connect:cursor:*", "connect:positions:*",
      ]
      let registry = try await deployment.keys(matching: "*", in: deployment.registry)
      for pattern in users {
        #expect(try await deployment.keys(matching: pattern).isEmpty)
        #expect(registry.contains { $0.hasPrefix(pattern.dropLast()) }, "\(pattern)")
      }
      let others = registry.filter { key in !users.contains { key.hasPrefix($0.dropLast()) } }
      #expect(others.isEmpty)
    }
    // Without the registry, sends are accepted and wait on the bus. On a busy machine replicas may
    // confirm some of them too late.
    if fault == .killRegistry || fault == .pauseRegistry {
      let mostPostponed = run.deployment.durability.replicas > 0 ? report.accepted / 5 : 0
      #expect(report.postponed <= mostPostponed)
    }
  }

  @Test("when there are two Redis, and services are killed or replaced meanwhile")
  func servicesWithTwo() async throws {
    try await Stand.expectSound(
      Self.run([.killBoth, .killRegistry, .roll, .pauseMessaging, .killRedis]))
  }

  @Test("when there are two clusters, and a primary of either dies")
  func primaryOfEither() async throws {
    try await Stand.expectSound(
      Self.run([.killRegistryNode, .killNode, .failOver], .clusterTLS, .clusterTLS))
  }
}
