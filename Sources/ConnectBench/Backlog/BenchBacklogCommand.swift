import ArgumentParser
import NIOCore
import NIOPosix
import Settings

struct BenchBacklogCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backlog",
    abstract: "Messages that are accepted without messaging, and what delivers them later.",
    discussion: """
      Pairs of users write to each other at a steady rate, first with messaging, for comparison, and then, for \
      as long, without: gateways accept what they write, which stays on the bus. Nobody writes any more when a \
      new messaging instance starts and catches up. Exits with 1 if a message that was accepted was lost, \
      repeated or reordered.
      """)

  @OptionGroup var rate: RateOptions
  @OptionGroup var load: LoadOptions

  @OptionGroup var deployed: BenchDeploymentOptions

  func run() async throws {
    try await self.exiting {
      var options = try self.deployed.deployment()
      options.allowBacklog()
      let report = try await ProgressScreen.during { screen in
        try await BenchStand.deploying(options) { try await self.measure($0, screen) }
      }
      try report.print(asJSON: self.deployed.json)
      try report.soundness.require()
    }
  }

  private func measure(
    _ stand: BenchStand, _ screen: ProgressScreen
  ) async throws -> BacklogReport {
    let setup = stand.setup
    let run = BenchRun(
      eventLoop: MultiThreadedEventLoopGroup.singleton.next(), bodyBytes: self.load.bodyBytes)
    try await BenchUsers.open(self.load.connections, run: run, stand: stand, screen)
    screen.event("messages with messaging, for comparison")
    let steady = try await self.following(screen, ahead: 2 * self.load.seconds) {
      try await MeasuredLoad.measure(
        .open(rate: self.rate.rate), seconds: self.load.seconds, of: run, on: stand)
    }
    screen.event("messages without messaging")
    let away = try await self.following(screen, ahead: self.load.seconds) {
      try await self.away(run, stand)
    }
    screen.event("\(away.totals.accepted) messages wait: starting messaging")
    let catchUp = try await self.catchUp(
      run, stand, backlog: away.totals.accepted, screen)
    try await run.requireConnected()
    let totals = try await run.eventLoop.submit {
      defer { run.close() }
      return run.ledger.totals
    }.get()
    return BacklogReport(
      setup: setup, connections: self.load.connections, rate: self.rate.rate,
      bodyBytes: self.load.bodyBytes,
      steady: steady.cost, away: away, catchUp: catchUp, totals: totals)
  }

  /// Shows the time that is left of what is known to last so many seconds.
  private func following<Result>(
    _ screen: ProgressScreen, ahead: Int, _ body: () async throws -> Result
  ) async throws -> Result {
    async let _ = screen.follow { elapsed in
      "\(elapsed) s; until messaging starts again: \(TimeLeft.text(seconds: ahead - elapsed))"
    }
    return try await body()
  }

  /// Ends messaging, and sends.
  private func away(_ run: BenchRun, _ stand: BenchStand) async throws -> AwayTime {
    guard let deployment = stand.deployment else { preconditionFailure("it was deployed") }
    for instance in deployment.messaging { await deployment.stop(instance) }
    let before = try await StandReading(of: stand)
    let earlier = try await run.eventLoop.submit { run.ledger.totals }.get()
    let sent = try await run.eventLoop.flatSubmit { [rate, load] in
      run.send(.open(rate: rate.rate), seconds: load.seconds)
    }.get()
    _ = try await eventually("answers to all sends", limit: BenchLimits.standstill) {
      try await run.requireConnected()
      return try await run.eventLoop.submit { run.ledger.totals.unanswered == 0 ? true : nil }.get()
    }
    let after = try await StandReading(of: stand)
    let totals = try await run.eventLoop.submit { run.ledger.totals }.get().since(earlier)
    guard totals.accepted > 0 else {
      throw Failure(
        .running,
        "gateways rejected all \(totals.refused) messages without messaging, so there is no backlog: give a "
          + "lower --rate")
    }
    return AwayTime(
      duration: sent.duration, totals: totals, cost: after.cost(since: before, per: totals.accepted)
    )
  }

  /// Starts messaging, and waits until all has arrived, or until nothing has for long.
  private func catchUp(
    _ run: BenchRun, _ stand: BenchStand, backlog: Int, _ screen: ProgressScreen
  ) async throws -> CatchUp {
    guard let deployment = stand.deployment else { preconditionFailure("it was deployed") }
    let before = try await StandReading(of: stand)
    let timeline = try await withThrowingTaskGroup(of: Timeline?.self) { group in
      group.addTask {
        try await deployment.start(.messaging)
        return nil
      }
      group.addTask {
        try await Self.deliveries(to: run, of: backlog, since: before.time, screen)
      }
      var timeline = Timeline()
      // An error of either ends both: without messaging nothing would be delivered.
      for try await result in group { timeline = result ?? timeline }
      return timeline
    }
    let after = try await StandReading(of: stand)
    return CatchUp(timeline: timeline, cost: after.cost(since: before, per: timeline.count))
  }

  /// What is delivered, until nothing is missing or nothing has come for long.
  private static func deliveries(
    to run: BenchRun, of backlog: Int, since start: ContinuousClock.Instant,
    _ screen: ProgressScreen
  ) async throws -> Timeline {
    var timeline = Timeline()
    var shown = try await run.eventLoop.submit { run.ledger.totals.shown }.get()
    var lastCame = ContinuousClock.now
    var nextStatus = start + .seconds(1)
    while true {
      let totals = try await run.eventLoop.submit { run.ledger.totals }.get()
      try await run.requireConnected()
      let now = ContinuousClock.now
      if totals.shown > shown {
        timeline.note(totals.shown - shown, at: now - start)
        shown = totals.shown
        lastCame = now
      }
      if totals.lost == 0 || now - lastCame > BenchLimits.standstill { return timeline }
      if now >= nextStatus {
        nextStatus = now + .seconds(1)
        screen.status(Self.status(timeline, of: backlog, after: now - start))
      }
      try await Task.sleep(for: FaultLimits.poll)
    }
  }

  private static func status(
    _ timeline: Timeline, of backlog: Int, after elapsed: Duration
  ) -> String {
    let seconds = elapsed / .seconds(1)
    let text = "\(Int(seconds)) s: delivered \(timeline.count) of \(backlog)"
    guard let first = timeline.first, let last = timeline.last, last > first else { return text }
    let perSecond = Double(timeline.count) / ((last - first) / .seconds(1))
    let left = Double(backlog - timeline.count) / perSecond
    return text + "; \(TimeLeft.text(seconds: Int(left.rounded(.up))))"
  }
}

extension Deployment.Options {
  /// Has gateways accept what messaging does not keep up with.
  mutating func allowBacklog() {
    let arguments = ["--backlog-limit", "\(BenchLimits.backlog)"]
    self.gatewayArguments += arguments
    self.messagingArguments += arguments
  }
}
