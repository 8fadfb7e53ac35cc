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
  /// Whether messages ask for a receipt, and are said to be read.
  let receipts: Bool
  /// Whether messages are copied to their sender.
  let copies: Bool
  var ledger = Ledger()
  /// Connections that have caught up.
  var live = 0
  private(set) var failure: String?
  /// Two who write to each other are adjacent.
  private var users: [BenchUser] = []
  private var reads: OpenLoop?

  /// - Parameter bodyBytes: Length of every message's body, a JSON string.
  init(eventLoop: any EventLoop, bodyBytes: Int, receipts: Bool = false, copies: Bool = false) {
    self.eventLoop = eventLoop
    self.receipts = receipts
    self.copies = copies
    self.body = ByteBuffer(
      string: "\"" + String(repeating: "x", count: max(0, bodyBytes - 2)) + "\"")
  }

  /// Two users who write to each other, through two gateways where there are two.
  func open(names: [UserName], tokens: [String], endpoints: [ConnectEndpoint]) {
    let conversations = [self.ledger.add(devices: 1), self.ledger.add(devices: 1)]
    for index in 0...1 {
      let user = BenchUser(
        run: self, peer: names[1 - index], writes: conversations[index],
        reads: conversations[1 - index])
      self.users.append(user)
      user.open(endpoints[index % endpoints.count], token: tokens[index])
    }
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
    if self.receipts, !self.users.isEmpty {
      // In turn, not all in the same moment.
      self.reads = OpenLoop(every: Self.readInterval / self.users.count, from: now)
    }
    self.tick(sends, total: rate * seconds, isDone: promise)
    return promise.futureResult
  }

  private func tick(_ loop: OpenLoop, total: Int, isDone: EventLoopPromise<Void>) {
    var sends = loop
    let now = NIODeadline.now().uptimeNanoseconds
    let pairs = self.users.count / 2
    while sends.count < total {
      let turn = sends.count % self.users.count
      guard let due = sends.next(now: now) else { break }
      self.users[2 * (turn % pairs) + turn / pairs].send(due: due)
    }
    while let reads = self.reads?.count, self.reads?.next(now: now) != nil {
      self.users[reads % self.users.count].read()
    }
    guard sends.count < total else { return isDone.succeed() }
    self.eventLoop.assumeIsolated().scheduleTask(in: .microseconds(Self.tickMicroseconds)) {
      [sends] in
      self.tick(sends, total: total, isDone: isDone)
    }
  }

  func close() { self.users.forEach { $0.close() } }
}
