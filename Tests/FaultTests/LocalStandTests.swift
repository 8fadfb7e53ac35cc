import ConnectBench
import Foundation
import TestSupport
import Testing

/// `infra/local/up` and `infra/local/roll`: HAProxy, a Redis cluster with TLS, and services as in
/// production, while people chat.
@Suite("A production-like stand on one machine")
struct LocalStandTests {
  /// No client waits longer, neither from the end of its connection until it is live again, nor from
  /// handing a message to its client until it is accepted: as Deploying.md says.
  ///
  /// A gateway that stops asks its clients to come back within 1 s, and waits for the answers to their
  /// sends (2 s at most, here 0.5 s). A client that was cut off comes back within 0.5 s, and after a
  /// failed attempt within 1 s. What is left is for the handshake. On a busy machine the longest stall of
  /// this process comes on top.
  static let longestWait = Duration.seconds(5)

  /// People chat while `body` does something to the stand, and everything accepted arrives, once and
  /// in order; nobody waits longer than ``longestWait``.
  private func expectSound(_ body: (LocalStand) async throws -> Void) async throws {
    // How long people wait is measured.
    try await LocalStand.with(.alone) { stand in
      let options = Chatters.Options(users: 20, rate: 100)
      try await Chatters.with(
        options, endpoint: stand.endpoint, token: { try await stand.token(for: $0) }
      ) { chatters in
        try await chatters.recovered()
        _ = chatters.takeWaits()
        _ = chatters.takeLatency()
        let begin = ContinuousClock.now
        let stall = try await LongestStall.during {
          try await body(stand)
          try await chatters.recovered()
          try await chatters.allConnected()
        }
        let bound = Self.longestWait + stall
        let report = try await chatters.finish(after: begin.duration(to: .now) / .seconds(1))
        let waits = chatters.takeWaits()
        let latency = try #require(chatters.takeLatency())
        print(report.table())
        print(
          """
          longest wait of a client: \(waits.longestAway) from the end of its connection until it \
          was live again, of \(waits.aways) times; \(waits.longestAccept) until a message was \
          accepted, of \(waits.accepted); bound \(bound). A message was shown after \
          \(latency.median) (median) and \(latency.longest) (longest)
          """)
        #expect(report.isSound, "\(report.table())")
        #expect(report.accepted > 0)
        #expect(waits.aways >= options.users, "everybody had to move")
        #expect(waits.longestAway < bound)
        #expect(waits.longestAccept < bound)
      }
      #expect(stand.up.process.isRunning, "\(stand.up.errors)")
    }
  }

  @Test("is restarted one by one: nothing is lost, repeated or reordered, and nobody waits long")
  func roll() async throws {
    try await self.expectSound { try await $0.roll("all") }
  }

  @Test("has its sockets cut at the end of the deregistration delay, and the same holds")
  func cut() async throws {
    try await self.expectSound { try await $0.roll("gateways", "--cut-after", "2") }
  }

  /// How a stand ends.
  enum End: CaseIterable {
    /// It is asked to.
    case terminated
    /// It is killed.
    case killed
    /// It and all in its process group are killed: so do tests end their children when they are killed.
    case killedWithGroup
  }

  @Test("leaves no process behind, however it ends", arguments: End.allCases)
  func end(_ end: End) async throws {
    try await LocalStand.with { stand in
      let processes = try stand.processes()
      #expect(processes.count == 11, "\(processes.keys.sorted())")
      let up = stand.up.process
      switch end {
      case .terminated: #expect(await up.terminate(grace: .seconds(60)) == .exited(0))
      case .killed: up.signal(SIGKILL)
      case .killedWithGroup: kill(-getpgid(up.processIdentifier), SIGKILL)
      }
      _ = await up.waitForExit()
      for (name, process) in processes {
        try await eventually("\(name) ends") { !isRunning(process) }
      }
    }
  }

  @Test("is alone on its directory; and ends when a process does, and says which")
  func failure() async throws {
    try await LocalStand.with { stand in
      let second = try stand.upAgain()
      #expect(try await second.exitCode() == 1)
      #expect(second.errors.contains { $0.contains("is up on") }, "\(second.errors)")
      #expect(stand.up.process.isRunning)

      let gateway = try #require(try stand.processes().first { $0.key.hasPrefix("gateway") })
      kill(gateway.value, SIGKILL)
      #expect(try await stand.up.exitCode() == 1)
      let errors = stand.up.errors
      #expect(errors.contains("up: \(gateway.key) was ended by signal 9."), "\(errors)")
      #expect(errors.contains { $0.contains("gateway.listening") }, "\(errors)")
    }
  }

  @Test("is rolled by one at a time, and to its whole strength when that is interrupted or fails")
  func interruptedRoll() async throws {
    try await LocalStand.with { stand in
      let first = try stand.startRoll(["gateways", "--cut-after", "600"])
      _ = try await eventually("an instance is taken out; it said \(first.errors)") {
        first.output.contains { $0.contains("out of the load balancer") } ? true : nil
      }
      let second = try stand.startRoll(["messaging"])
      #expect(try await second.exitCode() == 1)
      let refusal = "another infra/local/roll is under way"
      #expect(second.errors.contains { $0.contains(refusal) }, "\(second.errors)")

      first.process.signal(SIGTERM)
      #expect(try await Self.twoGateways(stand) == ["gateway-2", "gateway-3"])

      let third = try stand.startRoll(["gateways", "--cut-after", "600"])
      _ = try await eventually("an instance is started; it said \(third.errors)") {
        third.output.contains { $0.contains("starting") } ? true : nil
      }
      third.process.signal(SIGTERM)
      let gateways = try await Self.twoGateways(stand)

      try stand.removeTokenSecret()
      let failing = try stand.startRoll(["gateways"])
      #expect(try await failing.exitCode() == 1)
      #expect(failing.errors.contains { $0.hasSuffix(" stays") }, "\(failing.errors)")
      #expect(try await Self.twoGateways(stand) == gateways)
      #expect(stand.up.process.isRunning, "\(stand.up.errors)")
    }
  }

  /// The names of the gateways, once there are two.
  private static func twoGateways(_ stand: LocalStand) async throws -> Set<String> {
    try await eventually("two gateways are left") {
      let names = Set(try stand.processes().keys.filter { $0.hasPrefix("gateway") })
      return names.count == 2 ? names : nil
    }
  }
}
