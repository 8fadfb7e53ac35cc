import ConnectBench
import LocalRedis
import TestSupport
import Testing

/// Real processes, a real Redis, people who chat meanwhile, and a count of every message.
///
/// A few at a time: see ``Stand/places``.
@Suite("Whatever dies, nothing accepted is lost, repeated or reordered")
struct FaultTests {
  @Test(
    "when a process is killed, paused or away, or connections break",
    arguments: [
      (FaultKind.killMessaging, 2), (.killGateway, 2), (.killBoth, 2), (.pauseMessaging, 1),
      (.pauseGateway, 1), (.messagingAway, 1), (.vanish, 1),
    ])
  func services(fault: FaultKind, rounds: Int) async throws {
    try await Stand.expectSound(Stand.run([fault], rounds: rounds))
  }

  @Test(
    "when Redis is restarted, killed, or paused for longer than a command may take",
    arguments: [(FaultKind.restartRedis, 1), (.killRedis, 2), (.pauseRedis, 1)])
  func redis(fault: FaultKind, rounds: Int) async throws {
    try await Stand.expectSound(Stand.openLoop([fault], rounds: rounds))
  }

  @Test(
    "when streams, groups or the whole keyspace are deleted under running services",
    arguments: [
      (FaultKind.deleteOutgoing, 1), (.destroyGroups, 2), (.deleteIncoming, 1), (.flush, 2),
    ]
  )
  func keyspace(fault: FaultKind, rounds: Int) async throws {
    try await Stand.expectSound(Stand.run([fault], rounds: rounds))
  }

  /// Work between two cuts must count: a client that waits longer after each cut, or throws away
  /// what it has, gets nothing done.
  @Test("when all connections to Redis are cut every 200 ms: messages flow meanwhile")
  func cutRedis() async throws {
    var run = Stand.run([.cutRedis])
    run.deployment.gateways = 1
    run.deployment.messaging = 1
    // What it does in a time is counted.
    let report = try await Stand.expectSound(run, claiming: .alone)
    let fault = report.faults[0]
    // Less than half of what devices are due, as some users have two.
    #expect(fault.shown * 3 > fault.sent * 2, "of \(fault.sent) messages written meanwhile")
    #expect(fault.sent > 0)
  }

  /// Plain, whatever the other tests run against: by TLS, damage ends the connection in any case.
  @Test(
    "when replies of Redis are damaged at random: no service ends", arguments: [1, 2] as [UInt64])
  func damagedReplies(seed: UInt64) async throws {
    var run = Stand.run([.damageReplies])
    run.deployment.redis = .plain
    run.deployment.durability = .accepted
    run.seed = seed
    let report = try await Stand.expectSound(run)
    #expect(report.crashed == 0)
    #expect(report.damagedReplies > 20)
  }

  @Test("when every instance is replaced in turn, and each ends cleanly")
  func rollingDeploy() async throws {
    let report = try await Stand.expectSound(Stand.run([.roll]))
    #expect(report.uncleanStops == 0)
    #expect(report.reconnects > 0, "the clients had to move")
  }

  @Test("when Redis has no memory left: messages are rejected for the moment")
  func redisIsFull() async throws {
    let report = try await Stand.expectSound(Stand.run([.fillRedis]))
    #expect(report.postponed > 0)
  }

  @Test("when messaging is away until the backlog's limit: messages are rejected, then caught up")
  func backlogLimit() async throws {
    var run = Stand.run([.messagingAway])
    run.deployment.gatewayArguments += ["--backlog-limit", "20"]
    let report = try await Stand.expectSound(run)
    #expect(report.postponed > 0)
  }

  @Test("when there are entries without sense: they become dead letters, the partitions go on")
  func poison() async throws {
    try await Stand.expectSound(Stand.run([.poison])) { deployment in
      let letters = try await eventually("there are 12 dead letters") {
        let letters = try await deployment.deadLetters()
        return letters.count >= 12 ? letters : nil
      }
      #expect(letters.count == 12)
      for letter in letters {
        #expect(letter["reason"]?.isEmpty == false, "\(letter)")
        #expect(letter["origin"]?.hasPrefix("connect:incoming:{p") == true, "\(letter)")
        #expect(letter["attempts"].flatMap { Int($0) } != nil, "\(letter)")
      }
      #expect(letters.contains { $0["field.entry"] == "altogether" })
      #expect(letters.contains { $0["m"] == "no envelope" })
    }
  }

  @Test("when nothing happens but that one device of a user is always late, or off now and then")
  func lateDevices() async throws {
    var run = Stand.run([])
    run.time = .seconds(7)
    let report = try await Stand.expectSound(run)
    #expect(report.signals > 0)
  }

  @Test("when all of it happens, in a random order")
  func everything() async throws {
    var run = Stand.run(FaultKind.all(for: .tested))
    run.seed = 20_261_122
    let report = try await Stand.expectSound(run, claiming: .first)
    #expect(report.signals > 0)
  }
}
