import NIOCore
import Settings

/// A load of messages, from the first one until all have arrived, and what it cost.
struct MeasuredLoad {
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
  ///   - toleratesDisconnects: whether connections may end meanwhile. Else that is an error: what the rest cost
  ///     says nothing.
  static func measure(
    _ pace: SendingPace, seconds: Int, of run: BenchRun, on stand: BenchStand,
    toleratesDisconnects: Bool = false
  ) async throws -> MeasuredLoad {
    let load = try await Self.attempt(
      pace, seconds: seconds, of: run, on: stand, waitsForAll: toleratesDisconnects)
    if !toleratesDisconnects { try await run.requireConnected() }
    let rejection = try await run.eventLoop.submit { run.rejection }.get()
    if case .closed = pace, let rejection {
      throw Failure(
        .running,
        "a gateway rejected a message (\(rejection)), so the maximum rate is not known: give a smaller "
          + "--window, or fewer --connections")
    }
    return load
  }

  /// The same without an error if connections end or messages are rejected, as both are in the counts.
  ///
  /// - Parameter waitsForAll: whether to wait for what does not arrive since a connection has ended, as long as
  ///   for what is lost.
  static func attempt(
    _ pace: SendingPace, seconds: Int, of run: BenchRun, on stand: BenchStand,
    waitsForAll: Bool = false
  ) async throws -> MeasuredLoad {
    let before = try await StandReading(of: stand)
    let earlier = try await run.eventLoop.submit {
      // What came before says nothing about this load.
      _ = run.ledger.takeLatencies()
      return run.ledger.totals
    }.get()
    let sent = try await run.eventLoop.flatSubmit { run.send(pace, seconds: seconds) }.get()
    try await Self.settle(run, waitsForAll: waitsForAll)
    let after = try await StandReading(of: stand)
    let (totals, latencies) = try await run.eventLoop.submit {
      (run.ledger.totals, run.ledger.takeLatencies())
    }.get()
    return MeasuredLoad(
      before: before, after: after, sent: sent, totals: totals.since(earlier),
      latencies: latencies)
  }

  /// Waits until every send is answered and every accepted message has arrived, or until nothing has
  /// happened for so long that what is missing is lost.
  ///
  /// - Parameter waitsForAll: whether also if a connection has ended.
  static func settle(_ run: BenchRun, waitsForAll: Bool = false) async throws {
    var last: [Int] = []
    var lastChange = ContinuousClock.now
    while true {
      let (totals, failure) = try await run.eventLoop.submit { (run.ledger.totals, run.failure) }
        .get()
      if totals.unanswered == 0 && totals.lost == 0 { return }
      if failure != nil, !waitsForAll { return }
      let counts = [totals.accepted, totals.refused, totals.shown]
      if counts != last { (last, lastChange) = (counts, .now) }
      guard ContinuousClock.now - lastChange < BenchLimits.standstill else { return }
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

extension BenchRun {
  /// Refuses the figures of a load of which a connection has ended.
  func requireConnected() async throws {
    guard let failure = try await self.eventLoop.submit({ self.failure }).get() else { return }
    throw Failure(
      .running, "a connection ended while messages were sent, so there are no figures: \(failure)")
  }
}
