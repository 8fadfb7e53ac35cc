import ConnectClient
import ConnectProtocol
import NIOCore
import NIOPosix
import Settings

/// Fills mailboxes on a deployment by messages, as they come in production.
struct MailboxStore {
  private let deployment: Deployment
  private let filler: MailboxFiller
  private let screen: ProgressScreen

  /// Connects the users who write, to the last gateway: what the first one needs may be measured.
  static func open(
    _ stand: BenchStand, bodyBytes: Int, _ screen: ProgressScreen
  ) async throws -> MailboxStore {
    guard let deployment = stand.deployment, let endpoint = stand.endpoints.last else {
      preconditionFailure("it was deployed, with a gateway")
    }
    let filler = MailboxFiller(
      eventLoop: MultiThreadedEventLoopGroup.singleton.next(), bodyBytes: bodyBytes)
    let name = Self.prefix("filler")
    for number in 0..<MailboxLimits.fillers {
      let token = try await stand.token(UserName("\(name)\(number)")!)
      filler.eventLoop.execute { filler.open(endpoint, token: token) }
    }
    _ = try await eventually("writers to be connected", limit: MailboxLimits.openLimit) {
      let (live, progress) = try await filler.eventLoop.submit { (filler.live, filler.progress) }
        .get()
      if let failure = progress.failure { throw Failure(.running, failure) }
      return live == MailboxLimits.fillers ? true : nil
    }
    return MailboxStore(deployment: deployment, filler: filler, screen: screen)
  }

  /// Begins the names of users that nobody else has.
  static func prefix(_ name: String) -> String {
    "\(name)-\(String(UInt32.random(in: .min ... .max), radix: 16))-"
  }

  /// Has so many messages written, and returns when all are in mailboxes.
  ///
  /// - Parameter recipient: of each message, by its number from 0.
  func fill(_ count: Int, recipient: @escaping @Sendable (Int) -> UserName) async throws {
    let filler = self.filler
    filler.eventLoop.execute { filler.fill(count, recipient: recipient) }
    let start = ContinuousClock.now
    try await self.wait("all \(count) messages to be accepted") {
      let progress = try await filler.eventLoop.submit { filler.progress }.get()
      if let failure = progress.failure {
        throw Failure(.running, "mailboxes could not be filled: \(failure)")
      }
      let perSecond =
        Double(progress.accepted) / max((ContinuousClock.now - start) / .seconds(1), 1)
      let left = Double(count - progress.accepted) / max(perSecond, 1)
      return Remaining(
        count: count - progress.accepted,
        status: "filling mailboxes: \(progress.accepted) of \(count) messages; "
          + TimeLeft.text(seconds: Int(left.rounded(.up))))
    }
    // Entries are removed once they are stored.
    try await self.wait("the bus to be empty") {
      let backlog = try await self.deployment.backlog()
      return Remaining(count: backlog, status: "filling mailboxes: \(backlog) messages on the bus")
    }
  }

  func close() async throws {
    let filler = self.filler
    try await filler.eventLoop.submit { filler.close() }.get()
  }

  private struct Remaining {
    let count: Int
    let status: String
  }

  /// Waits until nothing remains.
  ///
  /// - Throws: ``TimedOut`` when it has not become less for ``BenchLimits/standstill``.
  private func wait(_ what: String, _ ask: () async throws -> Remaining) async throws {
    var least = Int.max
    var lastLess = ContinuousClock.now
    var nextStatus = lastLess + .seconds(1)
    while true {
      let remaining = try await ask()
      let now = ContinuousClock.now
      if remaining.count == 0 { return }
      if remaining.count < least { (least, lastLess) = (remaining.count, now) }
      guard now - lastLess < BenchLimits.standstill else {
        throw TimedOut("timed out waiting for \(what): \(remaining.count) remain")
      }
      if now >= nextStatus {
        nextStatus = now + .seconds(1)
        self.screen.status(remaining.status)
      }
      try await Task.sleep(for: FaultLimits.poll)
    }
  }
}

extension Deployment.Options {
  /// Has mailboxes keep all that a benchmark stores, however much it is.
  mutating func keepEverything() {
    self.allowBacklog()
    self.messagingArguments += [
      "--mailbox-limit", "\(MailboxLimits.mailboxEntries)",
      "--mailbox-bytes", "\(MailboxLimits.mailboxBytes)",
      "--history-limit", "\(MailboxLimits.mailboxEntries)",
    ]
  }
}
