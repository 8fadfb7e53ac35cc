import ConnectBench
import LocalCluster
import LocalRedis
import Testing

extension FaultTests {
  /// A deployment on a cluster, whatever the other tests run against.
  private static func run(
    _ faults: [FaultKind], on kind: LocalRedisInstallation.Kind, rounds: Int = 1
  ) -> FaultRun {
    // Where nothing must be rejected, people who wait for answers are enough.
    let isOpenLoop = faults.contains(where: \.causesRejections)
    var run =
      isOpenLoop ? Stand.openLoop(faults, rounds: rounds) : Stand.run(faults, rounds: rounds)
    run.deployment.redis = kind
    return run
  }

  @Test(
    "when nodes of a cluster without replicas die or hang, and slots in use move between nodes",
    arguments: [(FaultKind.moveSlots, 2), (.resize, 1), (.killNode, 1), (.hangNode, 1)])
  func nodes(fault: FaultKind, rounds: Int) async throws {
    try await Stand.expectSound(Self.run([fault], on: .cluster, rounds: rounds))
  }

  @Test(
    "when replicas take over, if each message waits for a replica",
    arguments: [(FaultKind.failOver, 3), (.killNode, 2), (.hangNode, 1), (.moveSlots, 1)])
  func replicas(fault: FaultKind, rounds: Int) async throws {
    var run = Self.run([fault], on: .clusterTLS, rounds: rounds)
    run.deployment.durability = .replicated(1)
    let report = try await Stand.expectSound(run)
    if fault == .killNode { #expect(report.faults[0].longestOutageSeconds != nil) }
  }

  /// Messages that the dead node had not told its replica are gone, accepted or not: counted, and
  /// nothing worse.
  @Test(
    "but for what a dead primary had not told its replica, if no message waits for one",
    arguments: [(FaultKind.killNode, 2), (.hangNode, 1)])
  func losses(fault: FaultKind, rounds: Int) async throws {
    var run = Self.run([fault], on: .clusterTLS, rounds: rounds)
    run.deployment.durability = .accepted
    let report = try await Stand.expectSound(run)
    print("lost with a primary: \(report.lost) of \(report.accepted) accepted messages")
    #expect(report.mayLose)
    #expect(report.lost * 20 < report.accepted, "a fraction of a second's messages at most")
  }
}
