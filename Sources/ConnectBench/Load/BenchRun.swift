import ConnectClient
import ConnectProtocol
import NIOCore

/// Pairs of users on one event loop, who write to each other as a ``SendingPace`` says, and the ledger
/// of what they sent and saw.
///
/// Unchecked: touched on its event loop only.
final class BenchRun: @unchecked Sendable {
  /// Interval at which due messages are looked for, in microseconds: they go out up to that much too late,
  /// which is part of their latency.
  private static let tickMicroseconds: Int64 = 1_000
  /// Interval at which each user says what it has read.
  private static let readInterval = Duration.seconds(1)

  let eventLoop: any EventLoop
  let body: ByteBuffer
  let traits: BenchTraits
  var ledger = Ledger()
  /// Connections that have caught up.
  var live = 0
  /// How the first connection ended that did.
  private(set) var failure: String?
  /// The code with which the first message of a closed loop was rejected.
  private(set) var rejection: String?
  /// The first of each pair of users who write to each other, and the second. Those who are offline are
  /// not among them.
  private var senders: [[BenchUser]] = [[], []]
  private var others: [BenchUser] = []
  /// Who writes each conversation; nil if that user is offline.
  private var writers: [BenchUser?] = []
  /// Messages that may still follow those of each conversation that need nothing more, in a closed loop.
  private var refills: [Int] = []
  private var isStopped = false

  /// - Parameter bodyBytes: Length of every message's body, a JSON string.
  init(eventLoop: any EventLoop, bodyBytes: Int, traits: BenchTraits = BenchTraits()) {
    self.eventLoop = eventLoop
    self.traits = traits
    self.body = Self.body(bytes: bodyBytes)
  }

  /// A JSON string of this length.
  static func body(bytes: Int) -> ByteBuffer {
    ByteBuffer(string: "\"" + String(repeating: "x", count: max(0, bytes - 2)) + "\"")
  }

  /// Two users who write to each other, through two gateways where there are two.
  ///
  /// - Parameter number: that of the first.
  func open(number: Int, names: [UserName], tokens: [String], endpoints: [ConnectEndpoint]) {
    for (index, devices) in self.addPair(number: number, names: names).enumerated() {
      for (device, user) in devices.enumerated() {
        user.open(endpoints[(index + device) % endpoints.count], token: tokens[index])
      }
    }
  }

  /// The same without connections.
  ///
  /// - Returns: the devices of each of the two.
  @discardableResult
  func addPair(number: Int, names: [UserName]) -> [[BenchUser]] {
    let devices = [0, 1].map { self.traits.devices(ofUser: number + $0) }
    // What the second writes is shown on the devices of the first.
    let conversations = devices.reversed().map { self.ledger.add(devices: $0) }
    self.writers += [nil, nil]
    return [0, 1].map { index in
      (0..<devices[index]).map { device in
        let user = BenchUser(
          run: self, peer: names[1 - index], device: device, writes: conversations[index],
          reads: conversations[1 - index], isPeerOffline: devices[1 - index] == 0)
        if device == 0 {
          self.senders[index].append(user)
          self.writers[conversations[index]] = user
        } else {
          self.others.append(user)
        }
        return user
      }
    }
  }

  /// How many connections the users up to a number have.
  func connections(ofUsers count: Int) -> Int {
    (0..<count).reduce(0) { $0 + self.traits.devices(ofUser: $1) }
  }

  func ended(_ ended: EndedConnection) {
    self.ledger.totals.disconnected += 1
    if self.failure == nil { self.failure = "\(ended.end)" }
  }

  // MARK: Sending

  /// What was done in the time in which messages were sent.
  struct Sent {
    let duration: Duration
    /// Messages that were shown to a device in that time.
    let delivered: Int
    /// See ``GeneratorShare``.
    let generatorShare: Double

    var deliveredPerSecond: Double { Double(self.delivered) / (self.duration / .seconds(1)) }
  }

  private struct Sending {
    let users: [BenchUser]
    let start: UInt64
    let end: UInt64
    /// Nil for a closed loop.
    var sends: OpenLoop?
    /// Of an open loop.
    let total: Int
    /// When somebody says what it has read.
    var reads: OpenLoop?
    let deliveredBefore: Int
    let threadNanosecondsBefore: Int64
    let isDone: EventLoopPromise<Sent>

    func isOver(now: UInt64) -> Bool {
      self.sends.map { $0.count >= self.total } ?? (now >= self.end)
    }
  }

  /// Sends messages, in turn from each user: first one of each pair, then the other.
  ///
  /// - Parameter seconds: for how long, unless ``stopSending()`` ends it before.
  func send(_ pace: SendingPace, seconds: Int) -> EventLoopFuture<Sent> {
    let users = self.senders[0] + self.senders[1]
    let now = NIODeadline.now().uptimeNanoseconds
    self.refills = []
    var rate: Int?
    if case .open(let value) = pace { rate = value }
    let isReading = self.traits.receipts && !users.isEmpty
    let sending = Sending(
      users: users, start: now, end: now + UInt64(seconds) * 1_000_000_000,
      sends: rate.map { OpenLoop(every: .seconds(1) / $0, from: now) },
      total: (rate ?? 0) * seconds,
      // In turn, not all in the same moment.
      reads: isReading ? OpenLoop(every: Self.readInterval / users.count, from: now) : nil,
      deliveredBefore: self.ledger.totals.shown,
      threadNanosecondsBefore: GeneratorShare.threadNanoseconds(),
      isDone: self.eventLoop.makePromise())
    if case .closed(let window) = pace {
      self.fill(window: window) { _ in .max }
    }
    self.tick(sending)
    return sending.isDone.futureResult
  }

  /// Sends so many messages from each user, as fast as they arrive.
  ///
  /// - Parameters:
  ///   - window: messages that each user keeps under way.
  ///   - count: of each conversation, by its number.
  func fill(window: Int, count: (Int) -> Int) {
    self.refills = self.writers.indices.map(count)
    let now = NIODeadline.now().uptimeNanoseconds
    for _ in 0..<window {
      for conversation in self.writers.indices { self.refill(conversation, due: now) }
    }
  }

  /// Ends a ``send(_:seconds:)``, and begins no other one.
  func stopSending() { self.isStopped = true }

  /// A message of a conversation has arrived.
  func finished(in conversation: Int) {
    self.refill(conversation, due: NIODeadline.now().uptimeNanoseconds)
  }

  /// A message was rejected. A closed loop ends: nothing is sent twice, so the gateway would reject all that
  /// follows it, and each rejection would ask for another message.
  func rejected(_ code: String) {
    self.ledger.refused()
    guard !self.refills.isEmpty else { return }
    if self.rejection == nil { self.rejection = code }
    self.refills = []
    self.stopSending()
  }

  private func refill(_ conversation: Int, due: UInt64) {
    guard !self.isStopped, self.refills.indices.contains(conversation),
      self.refills[conversation] > 0
    else { return }
    self.refills[conversation] -= 1
    self.writers[conversation]?.send(due: due)
  }

  private func tick(_ sending: Sending) {
    var sending = sending
    let users = sending.users
    let now = NIODeadline.now().uptimeNanoseconds
    while let count = sending.sends?.count, count < sending.total, !self.isStopped {
      guard let due = sending.sends?.next(now: now) else { break }
      users[count % users.count].send(due: due)
    }
    while let reads = sending.reads?.count, sending.reads?.next(now: now) != nil {
      users[reads % users.count].read()
    }
    guard self.isStopped || sending.isOver(now: now) else {
      self.eventLoop.assumeIsolated().scheduleTask(in: .microseconds(Self.tickMicroseconds)) {
        [sending] in
        self.tick(sending)
      }
      return
    }
    self.refills = []
    let duration = Duration.nanoseconds(
      Int64(NIODeadline.now().uptimeNanoseconds - sending.start))
    let busy = GeneratorShare.threadNanoseconds() - sending.threadNanosecondsBefore
    sending.isDone.succeed(
      Sent(
        duration: duration, delivered: self.ledger.totals.shown - sending.deliveredBefore,
        generatorShare: .nanoseconds(busy) / duration))
  }

  func close() { (self.senders[0] + self.senders[1] + self.others).forEach { $0.close() } }
}
