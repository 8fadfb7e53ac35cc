import ConnectClient
import ConnectProtocol
import DequeModule
import NIOCore
import NIOPosix
import Synchronization

/// A user with one bare WebSocket who writes to one other user at a steady rate, open loop: it waits for
/// no answer, so that behind whatever the server rejects there is more that was sent already.
///
/// It writes to the socket what ``OpenLoopSends`` says, at once, without a client between.
///
/// Unchecked: what changes is touched on its event loop only; the entries of others hop there.
final class RawSender: ConnectClientConnectionDelegate, @unchecked Sendable {
  struct Pace: Sendable {
    /// Number of messages written at once.
    var burst: Int
    /// Time from one burst to the next.
    var interval: Duration
    /// Delay between the arrival of an answer and its handling, as on a long path.
    var lag: Duration
    var bodyBytes: Int
  }

  private enum Answer {
    case accepted(MessageID, Offset)
    case rejected(ServerFrame.Rejected)
  }

  private let direction: ChatLedger.Direction
  private let recipient: UserName
  private let endpoint: ConnectEndpoint
  private let ledger: ChatLedger
  private let pace: Pace
  private let requestToken: @Sendable () async throws -> String
  private let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
  private let connected = Atomic(false)
  private let writing = Atomic(false)

  private var token = ""
  private var connection: ConnectClientConnection?
  private var reconnect = ReconnectStateMachine(reconnectsAfterNormalClose: true)
  private var random = SystemRandomNumberGenerator()
  private var sends = OpenLoopSends()
  /// Answers that were read and not handled yet, with the time for it.
  private var answers = Deque<(due: UInt64, answer: Answer)>()
  /// Times of the bursts.
  private var bursts: OpenLoop
  /// The server sent a goodbye: nothing more is sent on this connection.
  private var isHeld = false
  private var hasConnected = false
  private var highest: Offset?
  private var ticks: RepeatedTask?
  private var end: EventLoopPromise<Void>?

  init(
    _ direction: ChatLedger.Direction, to recipient: UserName, endpoint: ConnectEndpoint,
    ledger: ChatLedger, pace: Pace, token: @escaping @Sendable () async throws -> String
  ) {
    self.direction = direction
    self.recipient = recipient
    self.endpoint = endpoint
    self.ledger = ledger
    self.pace = pace
    self.bursts = OpenLoop(every: pace.interval, from: Self.now, catchUp: FaultLimits.catchUp)
    self.requestToken = token
  }

  var isConnected: Bool { self.connected.load(ordering: .relaxed) }

  /// Whether to write further messages. Those already written are sent in any case.
  func setWriting(_ isWriting: Bool) { self.writing.store(isWriting, ordering: .relaxed) }

  /// Stays connected until ``close()``.
  func run() async throws {
    // One for all connections: the deployment gives tokens for a day.
    let token = try await self.requestToken()
    try await self.eventLoop.flatSubmit { self.start(token: token) }.get()
  }

  /// Ends ``run()``.
  func close() {
    self.eventLoop.execute {
      guard self.reconnect.state != .stopped else { return }
      self.reconnect.stop()
      if let connection = self.connection { connection.close() } else { self.stop() }
    }
  }

  private func start(token: String) -> EventLoopFuture<Void> {
    let end = self.eventLoop.makePromise(of: Void.self)
    guard self.reconnect.state != .stopped else {
      end.succeed()
      return end.futureResult
    }
    self.end = end
    self.token = token
    self.open()
    self.ticks = self.eventLoop.scheduleRepeatedTask(
      initialDelay: .zero, delay: TimeAmount(FaultLimits.tick)
    ) { _ in self.tick() }
    return end.futureResult
  }

  private func open() {
    guard self.reconnect.connect() else { return }
    self.connection = ConnectClientConnection.open(
      to: self.endpoint, token: self.token, on: self.eventLoop, delegate: self)
  }

  private func stop() {
    self.connected.store(false, ordering: .relaxed)
    self.ticks?.cancel()
    self.ticks = nil
    self.end?.succeed()
    self.end = nil
  }

  // MARK: Sending

  private static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

  private func tick() {
    let now = Self.now
    while let (due, answer) = self.answers.first, due <= now {
      self.answers.removeFirst()
      self.handle(answer, now: now)
    }
    self.write(now: now)
    self.send(now: now)
  }

  /// Writes as its user would, whether connected or not.
  private func write(now: UInt64) {
    guard self.writing.load(ordering: .relaxed) else {
      // The first burst at any time, so that not all write in the same moment.
      let interval = UInt64(self.pace.interval / .nanoseconds(1))
      self.bursts.restart(at: now + .random(in: 0...interval))
      return
    }
    while self.bursts.next(now: now) != nil {
      for _ in 0..<self.pace.burst where self.sends.unanswered < FaultLimits.rawUnanswered {
        let id = self.ledger.next(self.direction)
        self.sends.append(
          id, body: ByteBuffer(string: ChatBody.text(id, bytes: self.pace.bodyBytes)))
      }
    }
  }

  private func send(now: UInt64) {
    guard let connection = self.connection, connection.isOpen, !self.isHeld else { return }
    while connection.isWritable, let message = self.sends.next(now: now) {
      if message.isLate { self.ledger.excuseOrder(self.direction) }
      // Without a receipt or a copy: it has no devices that could be told.
      connection.send(
        id: message.id, to: self.recipient, body: message.body,
        quiet: ChatTraits(message.id)?.isQuiet ?? false, retry: message.mayBeTaken ? .yes : .no)
    }
  }

  private func handle(_ answer: Answer, now: UInt64) {
    switch answer {
    case .accepted(let id, let offset):
      if self.sends.settled(id) { self.ledger.accepted(id, offset: offset) }
    case .rejected(let rejected):
      guard rejected.retryable else {
        if self.sends.settled(rejected.id) {
          self.ledger.refused(rejected.id, why: rejected.message)
        }
        return
      }
      let milliseconds = UInt64(max(0, rejected.retryAfterMilliseconds ?? 0))
      let isKnown = self.sends.rejected(
        rejected.id, wait: milliseconds * 1_000_000, now: now,
        mayBeTaken: RejectionCode(rawValue: rejected.code)?.mayBeTaken ?? true)
      if isKnown { self.ledger.postponed(rejected.id, isOpenLoop: true) }
    }
  }

  // MARK: The connection

  func received(
    _ frame: ServerFrame, payload: ByteBuffer, on connection: ConnectClientConnection
  ) {
    switch frame {
    case .welcome:
      if self.hasConnected { self.ledger.reconnected() }
      self.hasConnected = true
      self.isHeld = false
      self.connected.store(true, ordering: .relaxed)
    case .accepted(let id, let offset): self.later(.accepted(id, offset))
    case .rejected(let rejected): self.later(.rejected(rejected))
    case .goodbye: self.isHeld = true
    case .failed(let failed):
      self.ledger.failed(failed.id, code: failed.code)
      self.highest = failed.offset
    case .message(let message): self.highest = message.offset
    case .sent(let sent): self.highest = sent.offset
    case .unknown(_, let offset?): self.highest = offset
    case .error(let code, let message):
      self.ledger.note(
        "a frame of user \(self.direction.from) made no sense: \(code): \(message)")
    case .live, .pong, .position, .conversations, .history, .signal, .presence,
      .unknown(_, offset: nil):
      break
    }
  }

  private func later(_ answer: Answer) {
    let lag = UInt64(self.pace.lag / .nanoseconds(1))
    self.answers.append((due: Self.now + lag, answer: answer))
  }

  func readCompleted(on connection: ConnectClientConnection) {
    guard let highest = self.highest else { return }
    self.highest = nil
    connection.acknowledge(highest)
  }

  func ended(_ ended: EndedConnection, _ connection: ConnectClientConnection) {
    self.connection = nil
    self.connected.store(false, ordering: .relaxed)
    // What it had not handled is as if it had not come.
    self.answers.removeAll()
    self.sends.disconnected()
    let isClosed = self.reconnect.state == .stopped
    switch self.reconnect.ended(ended, using: &self.random) {
    case .wait(let milliseconds):
      self.eventLoop.scheduleTask(in: .milliseconds(milliseconds)) { self.open() }
    case .stop:
      if !isClosed {
        self.ledger.gaveUp(user: self.direction.from, device: 0, why: "\(ended.end)")
      }
      self.stop()
    }
  }
}
