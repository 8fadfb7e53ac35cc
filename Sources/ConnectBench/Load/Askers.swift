import ConnectClient
import ConnectProtocol
import NIOCore
import NIOPosix
import Settings

/// Users who ask for lists and history beside a load of messages, each of a mailbox of its own in which
/// nothing is read, so that all a request may look at is looked at.
///
/// On an event loop of their own, whose thread yields to all others once they ask: what they do themselves would not
/// be done on the machines that are measured.
///
/// Unchecked: touched on its event loop only.
final class Askers: @unchecked Sendable {
  /// What became of the requests so far.
  struct Totals: Sendable {
    private(set) var answers = 0
    var refused = 0
    private(set) var latencies = Latencies()

    mutating func answered(latency nanoseconds: UInt64) {
      self.answers += 1
      self.latencies.record(nanoseconds: nanoseconds)
    }
  }

  /// Messages in each mailbox.
  static let messages = 1_000
  /// Users who have written these.
  private static let peers = 20
  /// Messages per second, of all askers together and of each, while mailboxes are filled: less than the
  /// limit of a user.
  private static let fillPerSecond = 5_000
  private static let fillPerSecondEach = 90
  /// Time for all to be open, and beyond the last message for the mailboxes to be full.
  private static let limit = Duration.seconds(120)
  /// Interval at which due requests are looked for, in microseconds.
  private static let tickMicroseconds: Int64 = 1_000

  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  var eventLoop: any EventLoop { self.group.next() }
  private let body: ByteBuffer
  private let names: [UserName]
  private var askers: [Asker] = []
  var count: Int { self.names.count }
  /// Connections that have caught up.
  var live = 0
  /// Messages that have come to their mailboxes.
  var filled = 0
  var totals = Totals()
  private var failure: String?
  private var isClosing = false

  /// - Parameter bodyBytes: length of each message's body, a JSON string.
  init(_ count: Int, bodyBytes: Int) {
    self.body = BenchRun.body(bytes: bodyBytes)
    let prefix = "asker-\(String(UInt32.random(in: .min ... .max), radix: 16))-"
    self.names = (0..<count).map { UserName("\(prefix)\($0)")! }
  }

  // MARK: Before the measurement

  /// Opens the connections, and fills the mailboxes.
  func open(on stand: BenchStand, _ screen: ProgressScreen) async throws {
    for (number, name) in self.names.enumerated() {
      let token = try await stand.token(name)
      let endpoint = stand.endpoints[number % stand.endpoints.count]
      self.eventLoop.execute {
        let asker = Asker(self)
        self.askers.append(asker)
        asker.open(endpoint, token: token)
      }
    }
    try await self.wait("the askers to be open", Self.limit) {
      self.live == self.names.count
    }
    screen.event("\(self.names.count) askers are open: filling their mailboxes")
    let total = self.names.count * Self.messages
    let rate = min(Self.fillPerSecond, self.names.count * Self.fillPerSecondEach)
    self.eventLoop.execute {
      let now = NIODeadline.now().uptimeNanoseconds
      self.fill(OpenLoop(every: .seconds(1) / rate, from: now), total: total)
    }
    try await self.wait("full mailboxes", .seconds(total / rate) + Self.limit) {
      self.filled == total
    }
  }

  private func wait(
    _ what: String, _ limit: Duration, until isTrue: @escaping @Sendable () -> Bool
  ) async throws {
    _ = try await eventually(what, limit: limit) {
      let isDone = try await self.eventLoop.submit {
        try self.checkSound()
        return isTrue()
      }.get()
      return isDone ? true : nil
    }
  }

  private func fill(_ due: OpenLoop, total: Int) {
    guard !self.isClosing else { return }
    var due = due
    let now = NIODeadline.now().uptimeNanoseconds
    let count = self.names.count
    let peers = min(Self.peers, count - 1)
    while due.count < total {
      let asker = due.count % count
      let number = due.count / count
      guard due.next(now: now) != nil else { break }
      let peer = self.names[(asker + 1 + number % peers) % count]
      self.askers[asker].write(to: peer, number: number, body: self.body)
    }
    guard due.count < total else { return }
    self.soon { [due] in self.fill(due, total: total) }
  }

  // MARK: The measurement

  /// Begins to ask: not all in the same moment, but spread over the time from one request of an asker to
  /// the next.
  func begin(requestsPerSecond: Int?) {
    IdleThread.begin()
    let now = NIODeadline.now().uptimeNanoseconds
    for (number, asker) in self.askers.enumerated() {
      let interval = requestsPerSecond.map { .seconds(1) / $0 } ?? asker.interval
      let later = interval * number / self.askers.count
      asker.begin(
        requestsPerSecond: requestsPerSecond, from: now + UInt64(later / .nanoseconds(1)))
    }
    self.tick()
  }

  private func tick() {
    guard !self.isClosing else { return }
    let now = NIODeadline.now().uptimeNanoseconds
    for asker in self.askers { asker.ask(now: now) }
    self.soon { self.tick() }
  }

  private func soon(_ body: @escaping () -> Void) {
    self.eventLoop.assumeIsolated().scheduleTask(
      in: .microseconds(Self.tickMicroseconds), body)
  }

  // MARK: The end

  func failed(_ failure: String) {
    if !self.isClosing, self.failure == nil { self.failure = failure }
  }

  /// Throws if a connection has ended, or a message was rejected.
  func checkSound() throws {
    if let failure = self.failure { throw Failure(.running, "an asker failed: \(failure)") }
  }

  func close() {
    self.isClosing = true
    for asker in self.askers { asker.close() }
    self.askers = []
  }

  /// After ``close()``.
  func shutDown() async throws { try await self.group.shutdownGracefully() }
}
