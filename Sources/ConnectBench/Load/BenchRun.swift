import ConnectClient
import ConnectProtocol
import NIOCore

/// Pairs of users on one event loop, who write to each other as a ``SendingPace`` says, and the ledger
/// of what they sent and saw.
///
/// Unchecked: touched on its event loop only.
final class BenchRun: @unchecked Sendable {
  /// Interval at which due messages are looked for, in microseconds.
  private static let tickMicroseconds: Int64 = 1_000
  /// Interval at which each user says what it has read.
  private static let readInterval = Duration.seconds(1)

  let eventLoop: any EventLoop
  let body: ByteBuffer
  let traits: BenchTraits
  var ledger = Ledger()
  /// Connections that have caught up.
  var live = 0
  private(set) var failure: String?
  /// The first of each pair of users who write to each other, and the second. Those who are offline are
  /// not among them.
  private var senders: [[BenchUser]] = [[], []]
  private var others: [BenchUser] = []
  /// Who writes each conversation; nil if that user is offline.
  private var writers: [BenchUser?] = []
  /// Whether another message follows each that needs nothing more.
  private var isRefilling = false
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
    let devices = [0, 1].map { self.traits.devices(ofUser: number + $0) }
    // What the second writes is shown on the devices of the first.
    let conversations = devices.reversed().map { self.ledger.add(devices: $0) }
    self.writers += [nil, nil]
    for index in 0...1 {
      for device in 0..<devices[index] {
        let user = BenchUser(
          run: self, peer: names[1 - index], device: device, writes: conversations[index],
          reads: conversations[1 - index], isPeerOffline: devices[1 - index] == 0)
        if device == 0 {
          self.senders[index].append(user)
          self.writers[conversations[index]] = user
        } else {
          self.others.append(user)
        }
        user.open(endpoints[(index + device) % endpoints.count], token: tokens[index])
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

    var deliveredPerSecond: Double { Double(self.delivered) / (self.duration / .seconds(1)) }
  }

  private struct Sending {
    let users: [BenchUser]
    let start: UInt64
    /// Nil: until ``stopSending()``.
    let end: UInt64?
    /// Nil for a closed loop.
    var sends: OpenLoop?
    /// Of an open loop that ends of itself.
    let total: Int?
    /// When somebody says what it has read.
    var reads: OpenLoop?
    let deliveredBefore: Int
    let isDone: EventLoopPromise<Sent>

    func isOver(now: UInt64) -> Bool {
      if let sends = self.sends, let total = self.total { return sends.count >= total }
      return self.end.map { now >= $0 } ?? false
    }
  }

  /// Sends messages, in turn from each user: first one of each pair, then the other.
  ///
  /// - Parameter seconds: for how long; nil: until ``stopSending()``.
  func send(_ pace: SendingPace, seconds: Int?) -> EventLoopFuture<Sent> {
    let users = self.senders[0] + self.senders[1]
    let now = NIODeadline.now().uptimeNanoseconds
    self.isStopped = false
    var rate: Int?
    if case .open(let value) = pace { rate = value }
    let isReading = self.traits.receipts && !users.isEmpty
    let sending = Sending(
      users: users, start: now, end: seconds.map { now + UInt64($0) * 1_000_000_000 },
      sends: rate.map { OpenLoop(every: .seconds(1) / $0, from: now) },
      total: rate.flatMap { rate in seconds.map { rate * $0 } },
      // In turn, not all in the same moment.
      reads: isReading ? OpenLoop(every: Self.readInterval / users.count, from: now) : nil,
      deliveredBefore: self.ledger.totals.shown,
      isDone: self.eventLoop.makePromise())
    if case .closed(let window) = pace {
      self.isRefilling = true
      for _ in 0..<window { for user in users { user.send(due: now) } }
    }
    self.tick(sending)
    return sending.isDone.futureResult
  }

  /// Ends a ``send(_:seconds:)``.
  func stopSending() { self.isStopped = true }

  /// A message of a conversation has arrived, or was rejected.
  func finished(in conversation: Int) {
    guard self.isRefilling, self.writers.indices.contains(conversation) else { return }
    self.writers[conversation]?.send(due: NIODeadline.now().uptimeNanoseconds)
  }

  private func tick(_ sending: Sending) {
    var sending = sending
    let users = sending.users
    let now = NIODeadline.now().uptimeNanoseconds
    while let count = sending.sends?.count, count < sending.total ?? .max, !self.isStopped {
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
    self.isRefilling = false
    let end = NIODeadline.now().uptimeNanoseconds
    sending.isDone.succeed(
      Sent(
        duration: .nanoseconds(Int64(end - sending.start)),
        delivered: self.ledger.totals.shown - sending.deliveredBefore))
  }

  func close() { (self.senders[0] + self.senders[1] + self.others).forEach { $0.close() } }
}
