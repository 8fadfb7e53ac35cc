import ConnectProtocol
import NIOCore
import NIOPosix

/// Pairs of users who write, beside more and more mailboxes of one message each, of others who are offline.
struct LoadBesideMailboxes {
  /// The figures beside so many mailboxes.
  struct Row {
    let mailboxes: Int
    /// All memory of Redis.
    let redisBytes: Int
    /// At a steady rate.
    let steady: MeasuredLoad
    /// In a closed loop; nil without one.
    let closed: MeasuredLoad?
  }

  /// Rising.
  let mailboxes: [Int]
  let rate: Int
  /// Messages that each user keeps under way; nil: at the steady rate only.
  let window: Int?
  let load: LoadOptions
  let screen: ProgressScreen

  /// - Parameter stand: with ``Deployment/Options/keepShortHistory()``.
  func rows(on stand: BenchStand) async throws -> ([Row], Ledger.Totals) {
    let store = try await MailboxStore.open(
      stand, bodyBytes: self.load.bodyBytes, self.screen)
    let run = BenchRun(
      eventLoop: MultiThreadedEventLoopGroup.singleton.next(), bodyBytes: self.load.bodyBytes)
    try await BenchUsers.open(self.load.connections, run: run, stand: stand, self.screen)
    try await WarmUp.run(run, users: self.load.connections, self.screen)
    let prefix = MailboxStore.prefix("stored")
    var rows: [Row] = []
    var stored = 0
    for count in self.mailboxes {
      try await store.fill(count - stored) { [stored] in UserName("\(prefix)\(stored + $0)")! }
      stored = count
      rows.append(try await self.row(beside: count, run, stand))
    }
    try await store.close()
    let totals = try await run.eventLoop.submit {
      defer { run.close() }
      return run.ledger.totals
    }.get()
    return (rows, totals)
  }

  private func row(beside count: Int, _ run: BenchRun, _ stand: BenchStand) async throws -> Row {
    let seconds = (self.window == nil ? 1 : 2) * self.load.seconds
    async let _ = self.screen.follow { elapsed in
      "beside \(count) mailboxes: \(elapsed) s; \(TimeLeft.text(seconds: seconds - elapsed))"
    }
    let steady = try await MeasuredLoad.measure(
      .open(rate: self.rate), seconds: self.load.seconds, of: run, on: stand)
    var closed: MeasuredLoad?
    if let window = self.window {
      closed = try await MeasuredLoad.measure(
        .closed(window: window), seconds: self.load.seconds, of: run, on: stand)
    }
    return Row(
      mailboxes: count, redisBytes: try await stand.redisBytes(), steady: steady, closed: closed)
  }
}

extension BenchStand {
  /// All memory of its primaries.
  func redisBytes() async throws -> Int {
    try await self.primaryCounts().reduce(0) { $0 + $1.memoryBytes }
  }
}
