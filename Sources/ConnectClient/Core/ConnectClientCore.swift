import ConnectProtocol
import NIOCore

/// Receives the events of a core, always on the core's event loop.
public protocol ConnectClientCoreDelegate: AnyObject {
  /// A connection is to be opened: answer with ``ConnectClientCore/open(token:)`` or
  /// ``ConnectClientCore/fail(_:)``, at once or later, and each time with a token that is still good.
  func needsToken(_ core: ConnectClientCore)

  /// Something has happened. After an event with an offset, ``ConnectClientCore/acknowledge(_:count:)`` is
  /// called when it is handled.
  func received(_ event: ConnectEvent, from core: ConnectClientCore)

  /// All that one read brought has been told: a place to do once what many events call for.
  func readCompleted(_ core: ConnectClientCore)
}

extension ConnectClientCoreDelegate {
  /// Does nothing.
  public func readCompleted(_ core: ConnectClientCore) {}
}

/// A client on an event loop, callback style: stays connected, sends in order and at the server's
/// pace, sends again what was not answered, tells each message once, and gathers acks.
///
/// ``ConnectClient`` is built upon it; so is whoever runs thousands of clients in one process.
///
/// Bound to its event loop: made, used and told of on that loop only.
public final class ConnectClientCore {
  /// Where everything about it happens.
  public let eventLoop: any EventLoop

  private let configuration: ConnectClientConfiguration
  /// Where the app wants the replay to begin, unless more was passed on.
  private var since: Offset?
  /// Where the present connection was asked to begin.
  private var asked: Offset?
  // Strong, and let go of at the last event.
  private var delegate: (any ConnectClientCoreDelegate)?
  private var connection: ConnectClientConnection?
  private var reconnect: ReconnectStateMachine
  private var inbox = InboxStateMachine()
  private var queue = SendQueueStateMachine()
  private var reads = ReadsStateMachine()
  private var stamp: PositionStamp
  private var isReadsTurn = true
  private var rejections = Backoff()
  private var random = SystemRandomNumberGenerator()
  /// Whether `settle` will be called in this turn of the loop anyway.
  private var isSettling = false
  private var timer: NIOScheduledCallback?
  private var timerTime = UInt64.max
  private var reconnectTime: UInt64?

  /// A client that is not connected yet.
  public init(
    configuration: ConnectClientConfiguration, on eventLoop: any EventLoop,
    delegate: any ConnectClientCoreDelegate
  ) {
    self.configuration = configuration
    self.since = configuration.since
    self.stamp = PositionStamp(configuration.positions)
    self.eventLoop = eventLoop
    self.delegate = delegate
    self.reconnect = ReconnectStateMachine(
      reconnectsAfterNormalClose: configuration.reconnectsAfterNormalClose)
  }

  /// Whether a connection is open.
  public var isConnected: Bool { self.connection?.isOpen ?? false }

  /// How many messages the server has not answered for.
  public var unanswered: Int { self.queue.unanswered }

  // MARK: Connecting

  /// Connects the first time.
  public func start() {
    if self.reconnect.state == .idle { self.connect() }
  }

  /// Connects now, the first time, or instead of waiting any longer: the network came back.
  public func connect() {
    guard self.reconnect.connect() else { return }
    self.reconnectTime = nil
    self.delegate?.received(.connecting(failures: self.reconnect.failures), from: self)
    self.delegate?.needsToken(self)
  }

  /// Opens the connection that ``ConnectClientCoreDelegate/needsToken(_:)`` asked for.
  public func open(token: String) {
    guard self.reconnect.state == .connecting, self.connection == nil else { return }
    // Where the app chose the start, the server's cursor is not where an earlier connection ended.
    // What the app has not handled yet comes again, and is dropped: else this would ack it.
    self.asked = self.since.map { max($0, self.inbox.handled) }
    self.connection = ConnectClientConnection.open(
      to: self.configuration.endpoint, token: token, device: self.configuration.device,
      since: self.asked, positions: self.stamp.known, frameBytes: self.configuration.frameBytes,
      transportSecurity: self.configuration.transportSecurity, on: self.eventLoop, delegate: self)
  }

  /// Says that there is no token to be had now. It is asked for again, with back-off; to give up,
  /// ``close()``.
  public func fail(_ error: any Error) {
    guard self.reconnect.state == .connecting, self.connection == nil else { return }
    self.ended(EndedConnection(end: .noToken("\(error)")))
  }

  /// Ends it: acks what is handled, closes, and tells `disconnected` as the last event. What is not
  /// answered is not sent again.
  public func close() {
    guard self.reconnect.state != .stopped else { return }
    self.reconnect.stop()
    self.settle(isFinal: true)
    self.queue.hold()
    self.reads.disconnected()
    if let connection = self.connection, connection.isOpen { return connection.close() }
    // Nobody to say it to, so nothing to wait for, least of all for a host that does not answer.
    self.connection?.abort()
    self.isolated.execute { self.ended(EndedConnection(end: .closed)) }
  }

  /// Breaks the connection as a dead network would; it connects again. For tests.
  public func breakConnection() { self.connection?.fail(.lost("broken on purpose")) }

  // MARK: Sending

  /// Sends a message: now, or once there is a connection. The answer comes as `accepted`, or as
  /// `rejected` with `isFinal`.
  ///
  /// It takes any number: bounding them is the caller's, by ``unanswered``.
  public func send(_ message: OutgoingMessage) {
    self.queue.append(message)
    self.settleLater()
  }

  /// All up to and including `offset` is handled.
  ///
  /// - Parameter count: how many that are since the last call.
  public func acknowledge(_ offset: Offset, count: Int = 1) {
    self.inbox.handle(through: offset, count: count)
    self.settleLater()
  }

  /// The user has read the messages of `peer` up to `offset`, the place of one of them. Said now, or once
  /// there is a connection, and again until the server has answered by `position`.
  ///
  /// - Parameter isPrivate: whether the peer is not told.
  public func read(_ peer: UserName, through offset: Offset, isPrivate: Bool = false) {
    self.reads.read(
      ClientFrame.Read(peer: peer, offset: offset, isPrivate: isPrivate, id: .unique()))
    self.settleLater()
  }

  /// Stops or goes on with taking from the socket what the server sends. Nothing is told meanwhile
  /// but that the connection ends, and that there is a new one, which is read from until this is
  /// called again.
  public func setReading(_ isReading: Bool) { self.connection?.setReading(isReading) }

  // MARK: Doing what is due

  private var isolated: NIOIsolatedEventLoop { self.eventLoop.assumeIsolated() }

  private static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

  /// Once for all that happens in this turn of the loop.
  private func settleLater() {
    guard !self.isSettling, self.connection != nil else { return }
    self.isSettling = true
    self.isolated.execute {
      self.isSettling = false
      self.settle()
    }
  }

  /// Sends and acks what is due, and sees to it that it is called again when more will be.
  private func settle(isFinal: Bool = false) {
    guard let connection = self.connection, connection.isOpen else { return }
    let now = Self.now
    switch self.inbox.nextAck(now: now, isFinal: isFinal) {
    case .none: break
    case .wait(let time): self.wake(at: time)
    case .write(let offset): connection.acknowledge(offset)
    }
    while connection.isWritable {
      // In turn, so that neither waits for all of the other.
      let isDone =
        self.isReadsTurn
        ? !self.sayRead(to: connection, now: now) && !self.sendMessage(to: connection, now: now)
        : !self.sendMessage(to: connection, now: now) && !self.sayRead(to: connection, now: now)
      guard !isDone else { return }
    }
  }

  /// Says the read that is due, if there is one.
  private func sayRead(to connection: ConnectClientConnection, now: UInt64) -> Bool {
    switch self.reads.next(now: now, takeTurn: { self.queue.takeTurn(now: now) }) {
    case .none: return false
    case .wait(let time):
      self.wake(at: time)
      return false
    case .write(let read):
      connection.read(read)
      self.isReadsTurn = false
      return true
    }
  }

  /// Sends the message that is due, if there is one.
  private func sendMessage(to connection: ConnectClientConnection, now: UInt64) -> Bool {
    switch self.queue.next(now: now) {
    case .none: return false
    case .wait(let time):
      self.wake(at: time)
      return false
    case .send(let message, let retry):
      self.write(message, retry: retry, to: connection)
      self.isReadsTurn = true
      return true
    }
  }

  private func write(
    _ message: OutgoingMessage, retry: ClientFrame.Retry, to connection: ConnectClientConnection
  ) {
    let result = connection.send(
      id: message.id, to: message.to, body: message.body, receipt: message.receipt,
      copy: message.copy, quiet: message.quiet, retry: retry)
    guard result == .tooLarge, self.queue.settled(message.id) else { return }
    self.delegate?.received(
      .rejected(
        ServerFrame.Rejected(
          id: message.id, code: RejectionCode.tooLarge.rawValue,
          message: "the message takes more bytes than the server allows", retryable: false,
          retryAfterMilliseconds: nil),
        isFinal: true),
      from: self)
  }
}

// MARK: - The connection

extension ConnectClientCore: ConnectClientConnectionDelegate {
  /// For the connection.
  public func received(
    _ frame: ServerFrame, payload: ByteBuffer, on connection: ConnectClientConnection
  ) {
    switch frame {
    case .welcome(let welcome):
      // A start above everything is none of this mailbox: chosen again, it would be moved again.
      if let asked = self.asked, welcome.offset < asked { self.since = welcome.offset }
      self.inbox.connected(
        after: welcome.offset, asked: self.asked, hasGap: welcome.gap,
        window: welcome.limits.unacked)
      self.queue.connected(
        sendsPerSecond: welcome.limits.sendsPerSecond, serverNow: welcome.now, now: Self.now)
      self.reads.connected()
      self.stamp.connected(welcome)
      self.tell(.connected(welcome))
    case .live(let offset):
      self.stamp.live()
      self.tell(.live(offset))
    case .message(let message):
      guard self.inbox.receive(message.offset, from: message.from, id: message.id) else { return }
      self.tell(
        .message(
          IncomingMessage(
            offset: message.offset, from: message.from, id: message.id, at: message.at,
            body: Self.body(message.body, of: payload), quiet: message.quiet)))
    case .sent(let sent):
      self.sent(sent, payload)
    case .position(let position):
      self.stamp.received(position)
      if let id = position.id { self.reads.settled(id) }
      self.tell(.position(position))
    case .failed(let failed):
      guard self.inbox.receive(failed.offset, failureOf: failed.id, to: failed.to) else { return }
      self.tell(.failed(failed))
    case .accepted(let id, let offset):
      self.rejections.reset()
      guard self.queue.settled(id) else { return }
      self.tell(.accepted(id: id, offset: offset))
    case .rejected(let rejected):
      self.rejected(rejected)
    case .goodbye:
      // What is sent now would be rejected, and its order lost.
      self.queue.hold()
      self.reads.disconnected()
    case .error(let code, let message):
      self.tell(.error(code: code, message: message))
    case .unknown(_, let offset?):
      self.inbox.skip(offset)
    case .conversations, .history, .signal, .presence:
      break
    case .pong, .unknown(_, offset: nil):
      break
    }
  }

  private static func body(_ range: Range<Int>, of payload: ByteBuffer) -> ByteBuffer {
    let start = payload.readerIndex + range.lowerBound
    guard let body = payload.getSlice(at: start, length: range.count) else {
      preconditionFailure("a frame's body lies within it")
    }
    return body
  }

  private func sent(_ sent: ServerFrame.Sent, _ payload: ByteBuffer) {
    guard
      self.inbox.receive(sent.offset, to: sent.to, id: sent.id, at: sent.peerOffset)
    else { return }
    if self.queue.copied(sent.id) {
      self.tell(.accepted(id: sent.id, offset: sent.peerOffset))
    }
    self.tell(
      .sent(
        SentMessage(
          offset: sent.offset, peerOffset: sent.peerOffset, to: sent.to, id: sent.id, at: sent.at,
          body: Self.body(sent.body, of: payload), quiet: sent.quiet)))
  }

  private func rejected(_ rejected: ServerFrame.Rejected) {
    guard rejected.retryable else {
      if self.reads.contains(rejected.id) {
        self.reads.settled(rejected.id)
        return self.tell(.error(code: rejected.code, message: rejected.message))
      }
      guard self.queue.settled(rejected.id) else { return }
      return self.tell(.rejected(rejected, isFinal: true))
    }
    let asked = rejected.retryAfterMilliseconds.map {
      min(max(0, Int64($0)), ConnectClientLimits.askedWaitMilliseconds)
    }
    let wait = asked ?? self.rejections.next(using: &self.random)
    let until = Self.now + UInt64(wait) * 1_000_000
    if self.reads.rejected(rejected.id, until: until) { return self.settleLater() }
    let mayBeTaken = RejectionCode(rawValue: rejected.code)?.mayBeTaken ?? true
    guard self.queue.rejected(rejected.id, until: until, mayBeTaken: mayBeTaken) else { return }
    self.tell(.rejected(rejected, isFinal: false))
  }

  private func tell(_ event: ConnectEvent) { self.delegate?.received(event, from: self) }

  /// For the connection.
  public func readCompleted(on connection: ConnectClientConnection) {
    self.delegate?.readCompleted(self)
    self.settle()
  }

  /// For the connection.
  public func becameWritable(_ connection: ConnectClientConnection) { self.settle() }

  /// For the connection.
  public func ended(_ ended: EndedConnection, _ connection: ConnectClientConnection) {
    self.ended(ended)
  }

  private func ended(_ ended: EndedConnection) {
    guard self.delegate != nil else { return }
    self.connection = nil
    self.inbox.disconnected()
    self.queue.disconnected()
    self.reads.disconnected()
    switch self.reconnect.ended(ended, using: &self.random) {
    case .wait(let milliseconds):
      self.reconnectTime = Self.now + UInt64(milliseconds) * 1_000_000
      self.tell(.disconnected(ended.end, retryIn: .milliseconds(milliseconds)))
      if let time = self.reconnectTime { self.wake(at: time) }
    case .stop:
      self.timer?.cancel()
      self.timer = nil
      self.tell(.disconnected(ended.end, retryIn: nil))
      self.delegate?.readCompleted(self)
      self.delegate = nil
      return
    }
    self.delegate?.readCompleted(self)
  }
}

// MARK: - The timer

extension ConnectClientCore: NIOScheduledCallbackHandler {
  /// Makes the one timer fire at `time` at the latest.
  private func wake(at time: UInt64) {
    if self.timer != nil, self.timerTime <= time { return }
    self.timer?.cancel()
    self.timerTime = time
    // Fails only when the event loop is shut down, and everything with it.
    self.timer = try? self.isolated.scheduleCallback(
      at: .uptimeNanoseconds(time), handler: self)
  }

  /// For the event loop: something may be due.
  public func handleScheduledCallback(eventLoop: some EventLoop) {
    self.timer = nil
    if let time = self.reconnectTime {
      guard time <= Self.now else { return self.wake(at: time) }
      return self.connect()
    }
    self.settle()
  }
}
