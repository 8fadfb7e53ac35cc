import NIOCore
import NIOPosix

/// The measurement of a curve: rounds of rising rates, each of new users, as what one round has done to its users
/// at a rate that was not reached is nothing that the next one may start with.
struct CurveMeasurement {
  let rates: [Int]
  let rounds: Int
  let load: LoadOptions
  let stand: BenchStand
  let screen: ProgressScreen

  func report() async throws -> CurveReport {
    var rounds: [[CurveReport.Point]] = []
    var soundness = Soundness()
    var idle: CPUCost?
    for round in 1...self.rounds {
      let run = BenchRun(
        eventLoop: MultiThreadedEventLoopGroup.singleton.next(), bodyBytes: self.load.bodyBytes)
      try await BenchUsers.open(self.load.connections, run: run, stand: self.stand, self.screen)
      try await WarmUp.run(run, users: self.load.connections, self.screen)
      if round == 1 { idle = try await self.idle() }
      rounds.append(try await self.round(round, run))
      soundness.add(
        try await run.eventLoop.submit {
          defer { run.close() }
          return run.ledger.totals
        }.get())
      try await Task.sleep(for: BenchLimits.quietPause)
    }
    return CurveReport(
      setup: self.stand.setup, connections: self.load.connections, bodyBytes: self.load.bodyBytes,
      secondsPerRate: self.load.seconds, idle: idle, rounds: rounds, soundness: soundness)
  }

  /// What a second costs in which nobody writes.
  private func idle() async throws -> CPUCost? {
    let before = try await StandReading(of: self.stand)
    try await Task.sleep(for: .seconds(self.load.seconds))
    let after = try await StandReading(of: self.stand)
    return CPUCost(after.microseconds(since: before), per: after.seconds(since: before))
  }

  /// All rates, up to the first that is not reached.
  private func round(_ round: Int, _ run: BenchRun) async throws -> [CurveReport.Point] {
    var points: [CurveReport.Point] = []
    for (index, rate) in self.rates.enumerated() {
      let ahead = (self.rounds - round + 1) * self.rates.count - index
      let perRate = self.load.seconds + CurveLimits.overheadSeconds
      async let _ = self.screen.follow { [rounds] elapsed in
        (rounds > 1 ? "round \(round) of \(rounds), " : "")
          + "\(rate) a second: \(elapsed) s; "
          + TimeLeft.text(seconds: ahead * perRate - elapsed, isLimit: true)
      }
      let load = try await MeasuredLoad.attempt(
        .open(rate: rate), seconds: self.load.seconds, of: run, on: self.stand)
      let point = CurveReport.Point(rate: rate, load)
      points.append(point)
      if !point.isReached {
        self.screen.event(point.ending)
        break
      }
    }
    // A connection that has ended shows nothing more, and what is missing on it is not lost.
    try await run.eventLoop.submit {
      if run.failure != nil { run.ledger.excuseLosses() }
    }.get()
    return points
  }
}

extension CurveReport.Point {
  fileprivate init(rate: Int, _ load: MeasuredLoad) {
    self.init(
      rate: rate, deliveredPerSecond: load.sent.deliveredPerSecond, rejected: load.totals.refused,
      disconnected: load.totals.disconnected, generatorShare: load.sent.generatorShare,
      cpuMicrosecondsPerMessage: load.cost,
      latencyP50Milliseconds: load.latencies.milliseconds(50),
      latencyP99Milliseconds: load.latencies.milliseconds(99),
      commandsPerMessage: load.commandsPerMessage)
  }
}
