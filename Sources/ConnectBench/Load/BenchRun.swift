import ConnectClient
import ConnectProtocol
import NIOCore

/// Pairs of users on one event loop, who write to each other as an ``OpenLoop`` says, and the ledger
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
  private var reads: OpenLoop?

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
    for index in 0...1 {
      for device in 0..<devices[index] {
        let user = BenchUser(
          run: self, peer: names[1 - index], device: device, writes: conversations[index],
          reads: conversations[1 - index])
        if device == 0 { self.senders[index].append(user) } else { self.others.append(user) }
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

  /// Sends `rate` messages per second for `seconds`, each in turn from another user: first one of
  /// each pair, then the other.
  func send(rate: Int, seconds: Int) -> EventLoopFuture<Void> {
    let promise = self.eventLoop.makePromise(of: Void.self)
    let now = NIODeadline.now().uptimeNanoseconds
    let sends = OpenLoop(every: .seconds(1) / rate, from: now)
    let users = self.senders[0] + self.senders[1]
    if self.traits.receipts, !users.isEmpty {
      // In turn, not all in the same moment.
      self.reads = OpenLoop(every: Self.readInterval / users.count, from: now)
    }
    self.tick(users, sends, total: rate * seconds, isDone: promise)
    return promise.futureResult
  }

  private func tick(
    _ users: [BenchUser], _ loop: OpenLoop, total: Int, isDone: EventLoopPromise<Void>
  ) {
    var sends = loop
    let now = NIODeadline.now().uptimeNanoseconds
    while sends.count < total {
      let turn = sends.count % users.count
      guard let due = sends.next(now: now) else { break }
      users[turn].send(due: due)
    }
    while let reads = self.reads?.count, self.reads?.next(now: now) != nil {
      users[reads % users.count].read()
    }
    guard sends.count < total else { return isDone.succeed() }
    self.eventLoop.assumeIsolated().scheduleTask(in: .microseconds(Self.tickMicroseconds)) {
      [sends] in
      self.tick(users, sends, total: total, isDone: isDone)
    }
  }

  func close() { (self.senders[0] + self.senders[1] + self.others).forEach { $0.close() } }
}
