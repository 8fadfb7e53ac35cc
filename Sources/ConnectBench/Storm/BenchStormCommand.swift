import ArgumentParser
import ConnectClient
import ConnectProtocol
import NIOCore
import NIOPosix
import Settings

struct BenchStormCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "storm",
    abstract: "All clients of a gateway lose it at once and come back, while others write.",
    discussion: """
      Opens idle connections, which gives what one connect costs, and has them all end in one moment. Each \
      comes back as the client for apps does: after a time at random, which grows with each failure. \
      Meanwhile pairs of others, who keep their connections, write at a steady rate. Exits with 1 if not \
      all are back after \(StormLimits.patienceSeconds) s, or a message that was accepted was \
      lost, repeated or reordered.
      """)

  @Option(
    help: """
      Connections that are lost: two file descriptors of this machine each \
      (default: \(StormLimits.connections)).
      """,
    transform: ArgumentRules.wholeNumber(1...BenchLimits.connections))
  var connections = StormLimits.connections

  @Option(help: "How they are lost: their gateway is killed, or all clients close them at once.")
  var loss = StormLoss.gateway

  @Option(
    help: "Connections of the others: half as many pairs (default: \(StormLimits.talkers)).",
    transform: ArgumentRules.evenNumber(2...BenchLimits.connections))
  var talkers = StormLimits.talkers

  @Option(
    help: "Messages per second, of all others together (default: \(StormLimits.rate)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.messagesPerSecond))
  var rate = StormLimits.rate

  @Option(
    help: "How long they write before the loss, in seconds (default: \(StormLimits.seconds)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.seconds))
  var seconds = StormLimits.seconds

  @OptionGroup var deployed: BenchDeploymentOptions

  func validate() throws {
    guard self.loss == .clients || self.deployed.gateways > 1 else {
      throw ValidationError(
        "--gateways: one of them is killed, so give at least 2, or --loss clients")
    }
  }

  func run() async throws {
    try await self.exiting {
      let options = try self.deployed.deployment()
      let report = try await ProgressScreen.during { screen in
        try await BenchStand.deploying(options) { try await self.measure($0, screen) }
      }
      try report.print(asJSON: self.deployed.json)
      guard report.areAllBack else {
        throw Failure(
          .running,
          "of \(report.connections) connections \(report.back) came back, and \(report.live) were there at "
            + "the end: see above")
      }
      try report.soundness.require()
    }
  }

  private func measure(
    _ stand: BenchStand, _ screen: ProgressScreen
  ) async throws -> StormReport {
    guard let deployment = stand.deployment else { preconditionFailure("it was deployed") }
    let setup = stand.setup
    let loops = MultiThreadedEventLoopGroup.singleton
    let run = BenchRun(eventLoop: loops.next(), bodyBytes: BenchLimits.usualBodyBytes)
    let crowd = StormCrowd(eventLoop: loops.next())
    let gateways = deployment.gateways
    let doomed = self.loss == .gateway ? gateways.first : nil
    let remaining = gateways.filter { $0 !== doomed }.map(\.endpoint)
    try await BenchUsers.open(self.talkers, run: run, stand: stand, endpoints: remaining, screen)
    _ = try await MeasuredLoad.measure(
      .open(rate: self.rate), seconds: StormLimits.warmUpSeconds, of: run, on: stand)

    let before = try await StandReading(of: stand)
    try await self.open(crowd, to: doomed.map { [$0.endpoint] } ?? remaining, stand, screen)
    let opened = try await StandReading(of: stand)

    let limit = self.seconds + StormLimits.patienceSeconds + StormLimits.marginSeconds
    async let sent = run.eventLoop.flatSubmit { [rate] in
      run.send(.open(rate: rate), seconds: limit)
    }.get()
    // On errors, too, before the limit.
    defer { run.eventLoop.execute { run.stopSending() } }
    let calm = try await self.calm(run, stand, screen)
    let shownBefore = try await run.eventLoop.submit { run.ledger.totals.shown }.get()
    try await run.requireConnected()
    let storm = try await self.storm(
      crowd, beside: run, stand, since: calm.reading, doomed: doomed, remaining, screen)
    let (meanwhile, shown) = try await run.eventLoop.submit {
      defer { run.stopSending() }
      return (run.ledger.takeLatencies(), run.ledger.totals.shown)
    }.get()
    _ = try await sent
    try await MeasuredLoad.settle(run)
    try await run.requireConnected()
    let counts = try await crowd.eventLoop.submit {
      defer { crowd.close() }
      return crowd.counts
    }.get()
    let totals = try await run.eventLoop.submit {
      defer { run.close() }
      return run.ledger.totals
    }.get()
    return StormReport(
      setup: setup, connections: self.connections, loss: self.loss, talkers: self.talkers,
      rate: self.rate, counts: counts,
      open: opened.cost(since: before, per: self.connections),
      storm: storm.cost(per: counts.comeback.count),
      before: calm.others, meanwhile: .init(messages: shown - shownBefore, meanwhile),
      totals: totals)
  }

  private func open(
    _ crowd: StormCrowd, to endpoints: [ConnectEndpoint], _ stand: BenchStand,
    _ screen: ProgressScreen
  ) async throws {
    crowd.eventLoop.execute { crowd.use(endpoints) }
    let prefix = "storm-\(String(UInt32.random(in: .min ... .max), radix: 16))-"
    var opened = 0
    while opened < self.connections {
      let next = min(self.connections, opened + BenchUsers.atOnce)
      for number in opened..<next {
        let token = try await stand.token(UserName("\(prefix)\(number)")!)
        crowd.eventLoop.execute { crowd.open(token: token) }
      }
      opened = next
      try await self.wait(for: next, of: crowd, limit: BenchUsers.limit) { _ in }
      screen.status("\(opened) of \(self.connections) connections open")
    }
  }

  /// - Parameter shown: told how many are there, now and then.
  private func wait(
    for count: Int, of crowd: StormCrowd, limit: Duration, shown: (Int) -> Void
  ) async throws {
    _ = try await eventually("\(count) connections to be open", limit: limit) {
      let (live, failure) = try await crowd.eventLoop.submit {
        (crowd.counts.live, crowd.failure)
      }.get()
      if let failure { throw Failure(.running, "a client gave up: \(failure)") }
      shown(live)
      return live >= count ? true : nil
    }
  }

  /// The others' messages before the storm.
  private func calm(
    _ run: BenchRun, _ stand: BenchStand, _ screen: ProgressScreen
  ) async throws -> (others: StormReport.Others, reading: StandReading) {
    let shown = try await run.eventLoop.submit {
      _ = run.ledger.takeLatencies()
      return run.ledger.totals.shown
    }.get()
    let reading = try await StandReading(of: stand)
    async let _ = screen.follow { [seconds] elapsed in
      "messages before the loss: \(elapsed) s; \(TimeLeft.text(seconds: seconds - elapsed))"
    }
    try await Task.sleep(for: .seconds(self.seconds))
    let others = try await run.eventLoop.submit {
      StormReport.Others(
        messages: run.ledger.totals.shown - shown, run.ledger.takeLatencies())
    }.get()
    return (others, reading)
  }

  private func storm(
    _ crowd: StormCrowd, beside run: BenchRun, _ stand: BenchStand, since calm: StandReading,
    doomed: Deployment.Instance?, _ remaining: [ConnectEndpoint], _ screen: ProgressScreen
  ) async throws -> StormReadings {
    screen.event("\(self.connections) connections are lost now")
    // Before the loss: the first are back within milliseconds.
    var before = try await StandReading(of: stand)
    if let doomed { before = before.without(doomed.measuredName) }
    try await crowd.eventLoop.submit {
      crowd.use(remaining)
      crowd.begin()
      if doomed == nil { crowd.abort() }
    }.get()
    let start = ContinuousClock.now
    if let doomed { await stand.deployment?.kill(doomed) }
    var nextStatus = start + .seconds(1)
    // A client that gives up ends this at once; who is merely late is in the report.
    do {
      try await self.waitForComeback(of: crowd, beside: run) { back in
        guard ContinuousClock.now >= nextStatus else { return }
        nextStatus += .seconds(1)
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let left = seconds * Double(self.connections - back) / Double(max(back, 1))
        screen.status(
          "\(Int(seconds)) s: \(back) of \(self.connections) are back; "
            + TimeLeft.text(seconds: Int(left.rounded(.up))))
      }
    } catch is TimedOut {
      screen.event("not all are back, and nobody waits any longer")
    }
    return StormReadings(calm: calm, before: before, after: try await StandReading(of: stand))
  }

  private func waitForComeback(
    of crowd: StormCrowd, beside run: BenchRun, shown: (Int) -> Void
  ) async throws {
    let limit = Duration.seconds(StormLimits.patienceSeconds)
    _ = try await eventually("all to be back", limit: limit) {
      let (back, live, failure) = try await crowd.eventLoop.submit {
        (crowd.counts.comeback.count, crowd.counts.live, crowd.failure)
      }.get()
      if let failure { throw Failure(.running, "a client gave up: \(failure)") }
      try await run.requireConnected()
      shown(back)
      return min(back, live) >= self.connections ? true : nil
    }
  }
}
