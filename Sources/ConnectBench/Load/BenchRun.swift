import ConnectClient
import ConnectProtocol
import NIOCore

/// The pairs of one event loop and their share of the load.
///
/// Open loop: message n is due at a time that is known beforehand, and is sent then or as soon after
/// as this process can, whatever became of those before. Latency counts from when it was due, so a
/// stall is seen by all messages that it delays.
///
/// Unchecked: touched on its event loop only.
final class BenchRun: @unchecked Sendable {
  /// How often due messages are looked for, in microseconds.
  private static let tickMicroseconds: Int64 = 1_000

  let eventLoop: any EventLoop
  let body: ByteBuffer
  var counts = BenchCounts()
  /// Connections that have caught up.
  var live = 0
  private(set) var failure: String?
  private var pairs: [BenchPair] = []
  private var due = 0
  private var total = 0
  private var nanosecondsPerMessage = 0.0
  private var start = NIODeadline.now()
  private var isDone: EventLoopPromise<Void>?

  /// - Parameter bodyBytes: the length of every message's body, a JSON string.
  init(eventLoop: any EventLoop, bodyBytes: Int) {
    self.eventLoop = eventLoop
    self.body = ByteBuffer(
      string: "\"" + String(repeating: "x", count: max(0, bodyBytes - 2)) + "\"")
  }

  func open(names: [UserName], tokens: [String], endpoints: [ConnectEndpoint]) {
    let pair = BenchPair(run: self, names: names)
    self.pairs.append(pair)
    pair.open(endpoints: endpoints, tokens: tokens)
  }

  func ended(_ ended: EndedConnection) {
    self.counts.disconnected += 1
    if self.failure == nil { self.failure = "\(ended.end)" }
  }

  /// Sends `rate` messages per second for `seconds`, each in turn from another user.
  func send(rate: Double, seconds: Int) -> EventLoopFuture<Void> {
    let promise = self.eventLoop.makePromise(of: Void.self)
    self.total = Int(rate * Double(seconds))
    self.nanosecondsPerMessage = 1e9 / rate
    self.start = .now()
    self.isDone = promise
    self.tick()
    return promise.futureResult
  }

  private func tick() {
    let now = NIODeadline.now()
    while self.due < self.total {
      let wait = Double(self.due) * self.nanosecondsPerMessage
      let time = self.start + .nanoseconds(Int64(wait))
      guard time <= now else { break }
      let user = self.due % (self.pairs.count * 2)
      self.pairs[user % self.pairs.count].send(from: user / self.pairs.count, due: time)
      self.due += 1
    }
    guard self.due < self.total else {
      self.isDone?.succeed()
      return
    }
    self.eventLoop.assumeIsolated().scheduleTask(in: .microseconds(Self.tickMicroseconds)) {
      self.tick()
    }
  }

  func close() { self.pairs.forEach { $0.close() } }

  var lost: Int { self.pairs.reduce(0) { $0 + $1.lost } }
}
