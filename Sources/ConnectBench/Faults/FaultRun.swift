import Foundation
import LocalCluster
import MessageBus
import Messaging
import SeededRandom

/// A chat through a whole deployment to which faults are done one after the other.
package struct FaultRun: Sendable {
  package var deployment: Deployment.Options
  package var chatters = Chatters.Options()
  /// Faults to do: each kind once per round, in a new order each round.
  package var faults: [FaultKind]
  /// Rounds, in each of which every kind is done once. Up to ``FaultLimits/furtherRounds`` follow while
  /// too little was rejected for the run to say something about order.
  package var rounds = 1
  /// Instead of ``rounds``: for at least this time.
  package var time: Duration?
  /// Seed of everything that is random.
  package var seed: UInt64 = 1
  /// How long a service is paused, in seconds: longer than leases live and than clients wait for a
  /// heartbeat, as both are configured.
  package var pauseSeconds = 2 * MessagingLimits.leaseSeconds

  package init(_ deployment: Deployment.Options, faults: [FaultKind]) {
    self.deployment = deployment
    self.faults = faults
  }

  package enum Progress: Sendable {
    /// A fault begins or has ended, or something is awaited.
    case event(String)
    /// The present counts, every second.
    case status(String)
  }

  /// Runs it.
  ///
  /// - Parameters:
  ///   - progress: called now and then, from any task.
  ///   - look: called at the end, when nothing is sent any more and everything still runs.
  package func run(
    progress: @escaping @Sendable (Progress) -> Void = { _ in },
    look: (Deployment) async throws -> Void = { _ in }
  ) async throws -> FaultReport {
    var options = self.deployment
    options.hasReplyDamager = self.faults.contains(.damageReplies)
    if self.faults.contains(where: \.replacesPrimary) {
      options.nodeTimeoutMilliseconds = LocalRedisCluster.Options.shortNodeTimeoutMilliseconds
    }
    return try await Deployment.with(options) { deployment in
      try await LoadBalancer.with(gateways: { deployment.gateways.map(\.port) }) { balancer in
        let endpoint = balancer.endpoint
        var chatters = self.chatters
        chatters.asks = true
        return try await Chatters.with(
          chatters, endpoint: endpoint, token: { try await deployment.token(for: $0) }
        ) { chatters in
          async let _ = Self.showStatus(chatters.ledger, progress)
          let report = try await self.run(deployment, balancer, chatters, progress)
          try await look(deployment)
          return report
        }
      }
    }
  }

  private func run(
    _ deployment: Deployment, _ balancer: LoadBalancer, _ chatters: Chatters,
    _ progress: @Sendable (Progress) -> Void
  ) async throws -> FaultReport {
    let ledger = chatters.ledger
    let start = ContinuousClock.now
    var random = SplitMix64(seed: self.seed)
    var injector = FaultInjector(
      deployment: deployment, balancer: balancer, ledger: ledger,
      pauseSeconds: self.pauseSeconds, random: SplitMix64(seed: random.next()))
    var faults = Dictionary(
      uniqueKeysWithValues: self.faults.map { ($0, FaultReport.Fault(kind: $0.rawValue)) })
    var crashed = 0
    var pauses = false
    var lastPause = start

    try await chatters.recovered()
    var round = 0
    while self.time.map({ start.duration(to: .now) < $0 })
      ?? self.isRoundDue(after: round, faults, rejections: ledger.totals.postponedOpenLoop)
    {
      round += 1
      // Without a fault, people only chat.
      if self.faults.isEmpty { try await Task.sleep(for: FaultLimits.poll) }
      for kind in self.faults.shuffled(using: &random) {
        // Behind the last one, everything is compared in any case.
        if pauses, lastPause.duration(to: .now) >= FaultLimits.pauseInterval {
          progress(.event("\(start.duration(to: .now).inSeconds): pause"))
          try await chatters.pause()
          lastPause = .now
        }
        if let time = self.time, start.duration(to: .now) >= time { break }
        progress(.event("\(start.duration(to: .now).inSeconds): \(kind.rawValue)"))
        _ = ledger.takeLongestSilence()
        let before = ledger.totals
        chatters.setResting(true)
        try await injector.inject(kind)
        let after = ledger.totals
        faults[kind]?.sent += after.sent - before.sent
        faults[kind]?.shown += after.shown - before.shown
        let ended = ContinuousClock.now
        crashed += try await self.replaceCrashed(deployment, ledger)
        var isStuck = false
        do {
          try await chatters.rested()
          chatters.setResting(false)
          try await chatters.recovered()
          try await chatters.allConnected()
        } catch let timedOut as TimedOut {
          isStuck = true
          chatters.setResting(false)
          ledger.note("after \(kind.rawValue): \(timedOut)")
        }
        pauses = !isStuck
        faults[kind]?.note(
          rejections: ledger.totals.postponedOpenLoop - before.postponedOpenLoop,
          silence: ledger.takeLongestSilence(), outage: injector.outage,
          recovery: ended.duration(to: .now), isStuck: isStuck)
        try await Task.sleep(for: .milliseconds(.random(in: 200...1_500, using: &random)))
      }
    }
    let seconds = start.duration(to: .now) / .seconds(1)
    progress(.event("\(start.duration(to: .now).inSeconds): waiting for the last messages"))
    crashed += try await self.replaceCrashed(deployment, ledger)
    try await chatters.settle()
    await chatters.compareLists()
    let strayEntries = try await deployment.strayEntries(in: chatters.names)
    return FaultReport(
      seed: self.seed, seconds: seconds, chatters: self.chatters, ledger: ledger,
      requiredRejections: self.requiredRejections(faults), mayLose: self.mayLose,
      crashed: crashed, damagedReplies: injector.damagedReplies,
      uncleanStops: injector.uncleanStops, strayEntries: strayEntries,
      faults: self.faults.compactMap { faults[$0] })
  }

  /// How much a fault lets be rejected is a matter of luck, such as what was under way when a node hung.
  private func isRoundDue(
    after round: Int, _ faults: [FaultKind: FaultReport.Fault], rejections: Int
  ) -> Bool {
    if round < self.rounds { return true }
    // What has stuck once fails the run, and costs minutes each time.
    return round < self.rounds + FaultLimits.furtherRounds
      && rejections < self.requiredRejections(faults)
      && faults.values.allSatisfy { $0.stuck == 0 }
  }

  /// Faults of further rounds demand none.
  private func requiredRejections(_ faults: [FaultKind: FaultReport.Fault]) -> Int {
    guard self.chatters.rawSenders > 0 else { return 0 }
    let counted = self.time == nil ? self.rounds : .max
    let count = faults.reduce(0) { count, fault in
      count + (fault.key.causesRejections ? min(fault.value.count, counted) : 0)
    }
    return count * FaultLimits.rejectionsPerFault
  }

  /// Whether a replica that did not have to confirm writes may take over.
  private var mayLose: Bool {
    let replicas = self.deployment.redis.replicas + (self.deployment.registry?.replicas ?? 0)
    return self.deployment.durability.replicas == 0 && replicas > 0
      && self.faults.contains(where: \.mayPromoteReplica)
  }

  private func replaceCrashed(_ deployment: Deployment, _ ledger: ChatLedger) async throws -> Int {
    let crashed = deployment.takeCrashed()
    for instance in crashed {
      let status = await instance.process.waitForExit()
      let errors = instance.program.errors
      // From where Swift's runtime begins to tell what crashed, and where.
      let start = errors.firstIndex { $0.hasPrefix("***") || $0.contains("Fatal error") }
      let told = errors[(start ?? max(0, errors.count - 3))...].prefix(FaultLimits.crashLines)
      ledger.note("\(instance.id) \(status) of itself: \(told.joined(separator: "\n"))")
      try await deployment.start(instance.service)
    }
    return crashed.count
  }

  private static func showStatus(
    _ ledger: ChatLedger, _ progress: @Sendable (Progress) -> Void
  ) async {
    while (try? await Task.sleep(for: .seconds(1))) != nil {
      let totals = ledger.totals
      progress(
        .status(
          "accepted \(totals.accepted), shown \(totals.shown), under way \(totals.lost), "
            + "repeated \(totals.repeated), reordered \(totals.reordered), "
            + "reconnects \(totals.reconnects)"))
    }
  }
}

extension FaultReport.Fault {
  fileprivate mutating func note(
    rejections: Int, silence: Duration, outage: Duration?, recovery: Duration, isStuck: Bool
  ) {
    self.count += 1
    self.rejections += rejections
    self.stuck += isStuck ? 1 : 0
    self.longestSilenceSeconds = max(self.longestSilenceSeconds, silence / .seconds(1))
    if let outage {
      self.longestOutageSeconds = max(self.longestOutageSeconds ?? 0, outage / .seconds(1))
    }
    self.longestRecoverySeconds = max(self.longestRecoverySeconds, recovery / .seconds(1))
  }
}

extension FaultReport {
  init(
    seed: UInt64, seconds: Double, chatters: Chatters.Options, ledger: ChatLedger,
    requiredRejections: Int = 0, mayLose: Bool = false, crashed: Int = 0,
    damagedReplies: Int = 0, uncleanStops: Int = 0, strayEntries: Int = 0, faults: [Fault] = []
  ) {
    let totals = ledger.totals
    let copies = ledger.copies
    let positions = ledger.positions
    let lists = ledger.lists
    let signals = ledger.signals
    self.init(
      seed: seed, seconds: seconds, users: chatters.users, rawSenders: chatters.rawSenders,
      sent: totals.sent, accepted: totals.accepted,
      unanswered: totals.unanswered, rejected: totals.refused,
      postponed: totals.postponed, postponedOpenLoop: totals.postponedOpenLoop,
      requiredRejections: requiredRejections, failed: totals.failed, shown: totals.shown,
      lost: totals.lost, mayLose: mayLose, repeated: totals.repeated,
      reordered: totals.reordered, excused: totals.excused, disagreed: totals.disagreed,
      garbled: totals.garbled,
      copies: copies.shown, copiesLost: copies.lost, copiesRepeated: copies.repeated,
      copiesReordered: copies.reordered, copiesGarbled: copies.garbled,
      positions: positions.told, positionsBehind: ledger.positionsBehind,
      positionsBack: positions.back, positionsAhead: positions.ahead,
      strayEntries: strayEntries, lists: lists.compared, listsMeanwhile: lists.comparedLater,
      listsWrong: lists.wrong, unreadBounded: lists.bounded, mailboxesTrimmed: lists.trimmed,
      signals: signals.told, signalsLate: signals.late, signalsRepeated: signals.again,
      signalsAstray: signals.astray, reconnects: totals.reconnects, gaveUp: totals.gaveUp,
      crashed: crashed, damagedReplies: damagedReplies, uncleanStops: uncleanStops, faults: faults,
      incidents: ledger.incidents + ledger.lostOnes + ledger.laggingPositions + ledger.listFaults)
  }
}
