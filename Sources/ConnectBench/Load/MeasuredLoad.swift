import NIOCore
import Settings

/// A load of messages, from the first one until all have arrived, and what it cost.
struct MeasuredLoad {
  /// What is under way counts as lost when nothing has happened for this long.
  private static let standstill = Duration.seconds(30)

  let before: StandReading
  let after: StandReading
  /// In the time in which messages were sent.
  let sent: BenchRun.Sent
  let totals: Ledger.Totals
  let latencies: Latencies

  /// Sends, and waits until every send is answered and every accepted message has arrived.
  ///
  /// - Parameters:
  ///   - seconds: how long to send.
  ///   - bearsEnds: whether connections may end meanwhile. Else that is an error: what the rest cost says nothing.
  static func measure(
    _ pace: SendingPace, seconds: Int, of run: BenchRun, on stand: BenchStand,
    bearsEnds: Bool = false
  ) async throws -> MeasuredLoad {
    let before = try await StandReading(of: stand)
    let earlier = try await run.eventLoop.submit {
      // What came before says nothing about this load.
      _ = run.ledger.takeLatencies()
      return run.ledger.totals
    }.get()
    let sent = try await run.eventLoop.flatSubmit { run.send(pace, seconds: seconds) }.get()
    try await Self.settle(run)
    let after = try await StandReading(of: stand)
    let (totals, latencies, failure) = try await run.eventLoop.submit {
      (run.ledger.totals, run.ledger.takeLatencies(), run.failure)
    }.get()
    if let failure, !bearsEnds {
      throw Failure(
        .running, "a connection ended while messages were sent, so there are no figures: \(failure)"
      )
    }
    return MeasuredLoad(
      before: before, after: after, sent: sent, totals: totals.since(earlier),
      latencies: latencies)
  }

  /// Waits until every send is answered and every accepted message has arrived, or until nothing has
  /// happened for so long that what is missing is lost.
  static func settle(_ run: BenchRun) async throws {
    var last: [Int] = []
    var lastChange = ContinuousClock.now
    while true {
      let totals = try await run.eventLoop.submit { run.ledger.totals }.get()
      if totals.unanswered == 0 && totals.lost == 0 { return }
      let counts = [totals.accepted, totals.refused, totals.shown]
      if counts != last { (last, lastChange) = (counts, .now) }
      guard ContinuousClock.now - lastChange < Self.standstill else { return }
      try await Task.sleep(for: FaultLimits.poll)
    }
  }

  var elapsed: Duration { self.after.time - self.before.time }

  /// Per accepted message; nil if none was, or where the system does not tell.
  var cost: CPUCost? { self.after.cost(since: self.before, per: self.totals.accepted) }

  /// Commands of all primaries per accepted message; nil if no Redis was started.
  var commandsPerMessage: Double? {
    let commands = self.after.primaries(since: self.before).map(\.commands)
    guard !commands.isEmpty, self.totals.accepted > 0 else { return nil }
    return Double(commands.reduce(0, +)) / Double(self.totals.accepted)
  }
}
