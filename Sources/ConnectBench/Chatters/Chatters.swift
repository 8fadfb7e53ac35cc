import ConnectClient
import ConnectProtocol
import NIOCore
import Synchronization

/// Users who write to each other at a steady rate: each to a partner and to somebody else, so that
/// everybody hears from two.
///
/// Everybody has two devices. The second is always late for every fourth user, and switched off and on
/// for every other fourth; every fourth user has a third one, which comes at the end and is shown what the
/// mailbox still has. All messages are copied, and what users read they say from the first two devices.
/// Raw senders, if there are some, are further users, who write to some of these. With ``Options/asks`` users
/// also pass signals on, and ask for lists and history.
package final class Chatters: Sendable {
  /// Number of chatters, and how much they write.
  package struct Options: Sendable {
    /// An even number, at least 2.
    package var users = 20
    /// Messages per second, of all users together.
    package var rate = 200
    package var bodyBytes = 100
    /// Further users who send open loop, each to one of the others.
    package var rawSenders = 0
    /// Messages per second, of all raw senders together.
    package var rawRate = 300

    /// Whether users also pass signals on and ask for their conversations, and all that must be right.
    package var asks = false
    /// Whether users never say to have read what raw senders write.
    package var ignoresRawSenders = false

    /// 20 users, 200 messages per second, no raw senders.
    package init(users: Int = 20, rate: Int = 200, bodyBytes: Int = 100) {
      self.users = users
      self.rate = rate
      self.bodyBytes = bodyBytes
    }
  }

  let options: Options
  let names: [UserName]
  let devices: [ChatDevice]
  private let senders: [ChatDevice]
  private let rawSenders: [RawSender]
  private let directions: [ChatLedger.Direction]
  let ledger: ChatLedger
  let isSending = Mutex(false)
  /// How often all devices were asked for lists and histories.
  let pauses = Mutex(0)
  private let isResting = Mutex(false)

  private init(
    _ options: Options, endpoint: ConnectEndpoint,
    token: @escaping @Sendable (UserName) async throws -> String
  ) {
    precondition(options.users >= 2 && options.users % 2 == 0 && options.rate > 0)
    precondition(options.rawSenders == 0 || options.rawRate > 0)
    self.options = options
    let names = (0..<options.users).map(Self.name)
    self.names = names
    var directions: [ChatLedger.Direction] = []
    for user in 0..<options.users {
      let partner = user ^ 1
      let other = (user + 2) % options.users
      directions.append(.init(from: user, to: partner))
      if other != user, other != partner { directions.append(.init(from: user, to: other)) }
    }
    self.directions = directions
    let rawDirections = (0..<options.rawSenders).map { number in
      ChatLedger.Direction(
        from: options.users + number, to: Self.recipient(ofRawSender: number, options))
    }
    let none = Array(repeating: 0, count: options.rawSenders)
    let ledger = ChatLedger(
      directions: directions + rawDirections,
      devices: Array(repeating: Self.devicesPerUser, count: options.users) + none,
      newcomers: (0..<options.users).map { $0 % 4 == 2 ? 1 : 0 } + none)
    self.ledger = ledger
    self.devices = (0..<options.users).flatMap { user in
      Self.manners(of: user).enumerated().map { number, manner in
        ChatDevice(
          user: user, number: number, of: Self.devicesPerUser, manner: manner,
          reads: { name in
            !options.ignoresRawSenders || Self.user(name).map { $0 < options.users } ?? false
          },
          endpoint: endpoint, ledger: ledger, token: { try await token(names[user]) })
      }
    }
    self.senders = self.devices.filter { $0.number == 0 }
    let bursts = (0..<options.rawSenders).map {
      FaultLimits.rawBursts[$0 % FaultLimits.rawBursts.count]
    }
    self.rawSenders = rawDirections.enumerated().map { number, direction in
      RawSender(
        direction, to: names[direction.to], endpoint: endpoint, ledger: ledger,
        pace: .init(
          burst: bursts[number], interval: .seconds(bursts.reduce(0, +)) / options.rawRate,
          lag: number % 2 == 0 ? .zero : FaultLimits.rawLag, bodyBytes: options.bodyBytes),
        token: { try await token(Self.name(direction.from)) })
    }
  }

  /// Without those that come at the end.
  static let devicesPerUser = 2

  private static func manners(of user: Int) -> [ChatDevice.Manner] {
    switch user % 4 {
    case 0: [.prompt, .late]
    case 2: [.prompt, .prompt, .newcomer]
    default: [.prompt, .prompt]
    }
  }

  /// Each raw sender writes to a user of another part of the bus, so that whichever node of a cluster is
  /// hurt, some of what they send is for it. Not to one with a late device, which has enough to do.
  private static func recipient(ofRawSender number: Int, _ options: Options) -> Int {
    let partitions = Deployment.keys.partitions
    let middle = (2 * number + 1) * partitions.all.count / (2 * options.rawSenders)
    let nearest = (0..<options.users).filter { $0 % 4 != 0 }.min { one, other in
      let distances = [one, other].map { user in
        abs(partitions.partition(for: Self.name(user)).number - middle)
      }
      return distances[0] < distances[1]
    }
    return nearest ?? 1
  }

  static func name(_ user: Int) -> UserName { UserName("\(self.prefix)\(user)")! }

  /// The number of a user; nil for a name that no chatter has.
  static func user(_ name: UserName) -> Int? { Int(name.text.dropFirst(self.prefix.count)) }

  private static let prefix = "chatter-"

  /// Connects everybody, runs `body` while they write, and disconnects everybody.
  ///
  /// - Parameter endpoint: the load balancer's.
  package static func with<Result: Sendable>(
    _ options: Options, endpoint: ConnectEndpoint,
    token: @escaping @Sendable (UserName) async throws -> String,
    _ body: (Chatters) async throws -> Result
  ) async throws -> Result {
    let chatters = Chatters(options, endpoint: endpoint, token: token)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      for device in chatters.devices { group.addTask { await device.run() } }
      for sender in chatters.rawSenders { group.addTask { try await sender.run() } }
      group.addTask { await chatters.write() }
      group.addTask { await chatters.switchDevices() }
      if options.asks { group.addTask { await chatters.askWhileOthersWrite() } }
      do {
        try await chatters.allConnected()
        chatters.setSending(true)
        let result = try await body(chatters)
        chatters.close(&group)
        try await group.waitForAll()
        return result
      } catch {
        chatters.close(&group)
        throw error
      }
    }
  }

  private func close(_ group: inout ThrowingTaskGroup<Void, any Error>) {
    for device in self.devices { device.close() }
    for sender in self.rawSenders { sender.close() }
    group.cancelAll()
  }

  /// When people stop to write, those who are late may catch up.
  func setSending(_ isSending: Bool) {
    for device in self.devices { device.setHurried(!isSending) }
    self.isSending.withLock { $0 = isSending }
    for sender in self.rawSenders { sender.setWriting(isSending) }
  }

  // MARK: Writing

  private func write() async {
    var next = 0
    var sends = OpenLoop(
      every: .seconds(1) / self.options.rate, from: NIODeadline.now().uptimeNanoseconds,
      catchUp: FaultLimits.catchUp)
    var due = ContinuousClock.now + FaultLimits.tick
    while (try? await Task.sleep(until: due)) != nil {
      self.ledger.stalled(for: due.duration(to: .now))
      due = .now + FaultLimits.tick
      let now = NIODeadline.now().uptimeNanoseconds
      guard self.isSending.withLock({ $0 }) else {
        sends.restart(at: now)
        continue
      }
      let isResting = self.isResting.withLock { $0 }
      while sends.next(now: now) != nil {
        let direction = next % self.directions.count
        next += 1
        if isResting, Self.rests(direction) { continue }
        self.write(self.directions[direction])
      }
    }
  }

  private func write(_ direction: ChatLedger.Direction) {
    guard let client = self.senders[direction.from].client else { return }
    let id = self.ledger.next(direction)
    let traits = ChatTraits(id)
    do {
      try client.tryEnqueue(
        to: self.names[direction.to], id: id,
        body: MessageBody(json: ChatBody.text(id, bytes: self.options.bodyBytes)),
        receipt: traits?.hasReceipt ?? false, copy: true, quiet: traits?.isQuiet ?? false)
    } catch {
      // Too many are unanswered, or the client is about to end: it was never on its way.
      return self.ledger.takeBack(direction)
    }
    guard self.options.asks, traits?.hasSignal == true else { return }
    let signal = ChatBody.text(self.ledger.nextSignal(direction), bytes: 0)
    try? client.signal(
      SignalLedger.name, to: self.names[direction.to], body: MessageBody(json: signal))
  }

  /// Every third conversation.
  static func rests(_ conversation: Int) -> Bool { conversation % 3 == 0 }

  /// Begins or ends a rest: in some conversations nobody writes. A position that is lost there stays lost,
  /// where the next message would make up for it.
  func setResting(_ isResting: Bool) { self.isResting.withLock { $0 = isResting } }

  /// Waits until the positions of these conversations are told to all devices but those that come at the end.
  func rested() async throws {
    let count = self.directions.count
    func behind() -> Int {
      self.ledger.positionsBehind { $0 < count && Self.rests($0) }
    }
    _ = try await eventually(
      "the positions of \(behind()) resting conversations", limit: FaultLimits.recovery
    ) { behind() == 0 ? true : nil }
  }

  /// Switches devices off and on, every other second one, for some seconds.
  private func switchDevices() async {
    let switched = self.devices.filter { $0.number == 1 && $0.user % 4 == 1 }
    var isWanted = true
    while (try? await Task.sleep(for: .seconds(4))) != nil {
      isWanted.toggle()
      let on = isWanted || !self.isSending.withLock { $0 }
      for device in switched { device.setWanted(on) }
    }
  }

  // MARK: Waiting

  /// Waits until every device is connected that should be.
  package func allConnected() async throws {
    _ = try await eventually(
      "all devices to be connected: \(self.missing) are not", limit: FaultLimits.recovery
    ) { self.missing == 0 ? true : nil }
  }

  private var missing: Int {
    self.devices.count { !$0.isAsWanted } + self.rawSenders.count { !$0.isConnected }
  }

  /// Waits until a message written after this call was shown in every conversation.
  package func recovered() async throws {
    let ends = self.ledger.read(\.ends)
    _ = try await eventually(
      "\(self.ledger.read { $0.quiet(since: ends) }) of \(ends.count) conversations to go on",
      limit: FaultLimits.recovery
    ) { self.ledger.read { $0.quiet(since: ends) } == 0 ? true : nil }
  }

  /// Waits until `count` further messages were shown.
  package func shown(_ count: Int) async throws {
    let goal = self.ledger.totals.shown + count
    _ = try await eventually(
      "\(goal) messages to be shown; \(self.ledger.totals.shown) are", limit: FaultLimits.recovery
    ) { self.ledger.totals.shown >= goal ? true : nil }
  }

  /// Median and longest latency of messages since the last call; nil without messages.
  package func takeLatency() -> (median: Duration, longest: Duration)? {
    let latencies = self.ledger.takeLatencies()
    return latencies.isEmpty ? nil : (latencies.percentile(50), latencies.longest)
  }

  /// The waits of clients since the last call.
  package func takeWaits() -> Waits { self.ledger.takeWaits() }

  package var counts: (accepted: Int, shown: Int, reconnects: Int) {
    let totals = self.ledger.totals
    return (totals.accepted, totals.shown, totals.reconnects)
  }

  /// Stops writing, waits until all accepted messages have arrived, and reports the result.
  package func finish(after seconds: Double) async throws -> FaultReport {
    try await self.settle()
    return FaultReport(seed: 0, seconds: seconds, chatters: self.options, ledger: self.ledger)
  }

  /// Writes no more, and waits until everything is answered and everything accepted is shown on all
  /// devices, copies and positions, too, and those that come at the end have caught up; or until waiting longer makes no sense.
  func settle() async throws {
    self.setSending(false)
    for device in self.devices { device.setWanted(true) }
    var last = (missing: -1, since: ContinuousClock.now)
    _ = try? await eventually("the last messages", limit: FaultLimits.settle) {
      let missing =
        self.ledger.underWay + self.ledger.positionsBehind
        + self.devices.count { $0.manner == .newcomer && !$0.isLive }
      if missing != last.missing { last = (missing, .now) }
      return missing == 0 || last.since.duration(to: .now) > FaultLimits.standstill ? true : nil
    }
    // Time for what should not come.
    try await Task.sleep(for: .milliseconds(500))
  }
}
