import Messaging
import NIOCore
import Settings

/// What comes before pairs of users are measured: mailboxes and sessions come to be, and mailboxes get as long as
/// they stay. Messaging trims one whenever it has grown by ``MessagingLimits/mailboxLookEntries`` beyond its
/// history: that cost is in every load alike only if the mailboxes are as long as that before the first, and each
/// at another point between two trims.
enum WarmUp {
  /// The history of mailboxes that a benchmark starts: with the usual one, filling them would take minutes.
  static let historyEntries = 64
  /// Messages that each user keeps under way, and all together.
  static let window = 8
  static let underWay = 4_096
  /// Messages of all users. With more than some 2,600 of them mailboxes stay shorter, and are seldom trimmed.
  static let messages = 500_000

  /// Has the users of a load write, and waits until nothing is under way any more.
  static func run(_ run: BenchRun, users: Int, _ screen: ProgressScreen) async throws {
    let all = (0..<users).reduce(0) { $0 + Self.count(of: $1, users: users) }
    screen.event("warming up: \(all) messages")
    try await run.eventLoop.submit {
      run.fill(window: max(1, min(Self.window, Self.underWay / users))) { conversation in
        Self.count(of: conversation, users: users)
      }
    }.get()
    async let _ = screen.follow { elapsed in
      guard let shown = try? await run.eventLoop.submit({ run.ledger.totals.shown }).get() else {
        return nil
      }
      let left = Double(all - shown) / (Double(max(shown, 1)) / Double(elapsed))
      return "warming up: \(shown) of \(all) messages; "
        + TimeLeft.text(seconds: Int(left.rounded(.up)))
    }
    try await MeasuredLoad.settle(run)
    try await run.requireConnected()
    if let rejection = try await run.eventLoop.submit({ run.rejection }).get() {
      throw Failure(
        .running,
        "a gateway rejected a message (\(rejection)) while mailboxes were filled, before anything was "
          + "measured: see its log")
    }
    try await Task.sleep(for: BenchLimits.quietPause)
  }

  /// Messages of a conversation: evenly spread over what lies between two trims.
  static func count(of conversation: Int, users: Int) -> Int {
    let full = Self.historyEntries + MessagingLimits.mailboxLookEntries * conversation / users
    let all = (Self.historyEntries + MessagingLimits.mailboxLookEntries / 2) * users
    return max(1, all > Self.messages ? full * Self.messages / all : full)
  }
}

extension Deployment.Options {
  /// Has mailboxes be full after a ``WarmUp``.
  mutating func keepShortHistory() {
    self.messagingArguments += ["--history-limit", "\(WarmUp.historyEntries)"]
  }
}
