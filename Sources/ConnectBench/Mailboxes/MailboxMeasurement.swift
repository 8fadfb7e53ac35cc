import ConnectClient
import ConnectProtocol
import NIOCore
import NIOPosix
import Settings

/// The parts of a measurement of mailboxes.
struct MailboxMeasurement {
  let bodyBytes: Int
  let screen: ProgressScreen

  // MARK: Memory

  /// Redis's memory of users with so many messages each as ``MailboxLimits/messages`` says.
  func memory(ofUsers users: Int, on stand: BenchStand) async throws -> [MailboxReport.Memory] {
    let store = try await self.store(on: stand)
    // What the first message of all costs is not a user's.
    try await self.fill(store, users: 1, messages: 1, MailboxStore.prefix("first"))
    var rows: [MailboxReport.Memory] = []
    for messages in MailboxLimits.messages {
      let prefix = MailboxStore.prefix("user")
      let before = try await self.settledBytes(stand)
      try await self.fill(store, users: users, messages: messages, prefix)
      let stored = try await self.settledBytes(stand)
      try await self.ack(users: users, messages: messages, prefix, on: stand)
      let acked = try await self.settledBytes(stand)
      rows.append(
        MailboxReport.Memory(
          messages: messages, users: users,
          storedBytesPerUser: Double(stored - before) / Double(users),
          ackedBytesPerUser: Double(acked - before) / Double(users)))
    }
    try await store.close()
    return rows
  }

  private func store(on stand: BenchStand) async throws -> MailboxStore {
    try await MailboxStore.open(stand, bodyBytes: self.bodyBytes, self.screen)
  }

  /// Message by message, as they come: all mailboxes grow side by side.
  private func fill(
    _ store: MailboxStore, users: Int, messages: Int, _ prefix: String
  ) async throws {
    try await store.fill(users * messages) { UserName("\(prefix)\($0 % users)")! }
  }

  /// The same once nothing is under way any more.
  private func settledBytes(_ stand: BenchStand) async throws -> Int {
    try await Task.sleep(for: MailboxLimits.memoryPause)
    return try await stand.redisBytes()
  }

  /// Has a device of each user connect, ack everything, and leave.
  private func ack(
    users: Int, messages: Int, _ prefix: String, on stand: BenchStand
  ) async throws {
    let endpoints = stand.endpoints
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    for start in stride(from: 0, to: users, by: MailboxLimits.ackingAtOnce) {
      self.screen.status("acking: \(start) of \(users) users")
      var replays: [EventLoopFuture<MailboxReader.Replay>] = []
      for number in start..<min(users, start + MailboxLimits.ackingAtOnce) {
        let token = try await stand.token(UserName("\(prefix)\(number)")!)
        replays.append(
          MailboxReader.read(
            from: endpoints[number % endpoints.count], token: token, since: nil, on: eventLoop))
      }
      for replay in try await EventLoopFuture.whenAllSucceed(replays, on: eventLoop).get()
      where replay.entries != messages {
        throw Failure(
          .running, "a user with \(messages) messages was shown \(replay.entries): see its gateway")
      }
    }
  }

  // MARK: Replays

  /// Replays of a mailbox with each of these numbers of entries, on the first gateway.
  func replays(of entries: [Int], on stand: BenchStand) async throws -> [MailboxReport.Replay] {
    let store = try await self.store(on: stand)
    var rows: [MailboxReport.Replay] = []
    for count in entries {
      let user = UserName(MailboxStore.prefix("reader") + "0")!
      try await store.fill(count) { _ in user }
      rows.append(try await self.replay(of: user, entries: count, on: stand))
    }
    try await store.close()
    return rows
  }

  private func replay(
    of user: UserName, entries: Int, on stand: BenchStand
  ) async throws -> MailboxReport.Replay {
    let repeats = Self.repeats(ofEntries: entries)
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    let gateway = stand.deployment?.gateways.first
    guard let gateway else { preconditionFailure("it has a gateway") }
    let process = gateway.process.processIdentifier
    let token = try await stand.token(user)
    let bytes = ProcessUsage(of: process)?.residentBytes
    let isPeakKnown = PeakMemory.reset(of: process)
    let before = try await StandReading(of: stand)
    var milliseconds: [Double] = []
    for number in 1...repeats {
      let replay = try await MailboxReader.read(
        from: gateway.endpoint, token: token, since: .zero, on: eventLoop
      ).get()
      guard replay.entries == entries else {
        throw Failure(
          .running, "a mailbox of \(entries) entries was replayed with \(replay.entries)")
      }
      milliseconds.append(replay.duration / .milliseconds(1))
      let left = (milliseconds.median ?? 0) / 1_000 * Double(repeats - number)
      self.screen.status(
        "replay \(number) of \(repeats), \(entries) entries; "
          + TimeLeft.text(seconds: Int(left.rounded(.up))))
    }
    let after = try await StandReading(of: stand)
    return MailboxReport.Replay(
      entries: entries, repeats: repeats, milliseconds: milliseconds.median ?? 0,
      cpuMicrosecondsPerEntry: after.cost(since: before, per: repeats * entries),
      gatewayBytes: bytes, gatewayPeakBytes: isPeakKnown ? PeakMemory.bytes(of: process) : nil)
  }

  /// How often a mailbox of so many entries is replayed.
  static func repeats(ofEntries entries: Int) -> Int {
    let range = MailboxLimits.repeats
    return min(range.upperBound, max(range.lowerBound, MailboxLimits.replayedEntries / entries))
  }
}
