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

  /// A request has its answer, or will have none. Called once for each, unless it was cancelled.
  func answered(
    _ id: MessageID, _ result: Result<ConnectAnswer, ConnectRequestError>,
    from core: ConnectClientCore)

  /// All that one read brought has been told: a place to do once what many events call for.
  func readCompleted(_ core: ConnectClientCore)
}

extension ConnectClientCoreDelegate {
  /// Does nothing.
  public func answered(
    _ id: MessageID, _ result: Result<ConnectAnswer, ConnectRequestError>,
    from core: ConnectClientCore
  ) {}

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

  let configuration: ConnectClientConfiguration
  /// Where the app wants the replay to begin, unless more was passed on.
  var since: Offset?
  /// Where the present connection was asked to begin.
  var asked: Offset?
  // Strong, and let go of at the last event.
  var delegate: (any ConnectClientCoreDelegate)?
  var connection: ConnectClientConnection?
  var reconnect: ReconnectStateMachine
  var inbox = InboxStateMachine()
  var queue = SendQueueStateMachine()
  var reads = ReadsStateMachine()
  var stamp: PositionStamp
  var requests = RequestsStateMachine()
  var signals = SignalsStateMachine()
  var typing = TypingStateMachine()
  var isReadsTurn = true
  /// Whether the server takes the client for another user than it is made for.
  var isForeign = false
  var rejections = Backoff()
  var random = SystemRandomNumberGenerator()
  /// Whether ``writeDue(isFinal:)`` will be called in this turn of the loop anyway.
  var isWriteScheduled = false
  var timer: NIOScheduledCallback?
  var timerTime = UInt64.max
  var reconnectTime: UInt64?

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
    // Before it is sent: the place of one user would count as acked for the other.
    if let user = self.configuration.user, let subject = TokenSubject.of(token),
      subject != user.text
    {
      return self.ended(EndedConnection(end: .otherUser(subject)))
    }
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
    self.writeDue(isFinal: true)
    self.hold()
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
    self.typing.sent(to: message.to)
    self.writeDueLater()
  }

  /// All up to and including `offset` is handled.
  ///
  /// - Parameter count: how many that are since the last call.
  public func acknowledge(_ offset: Offset, count: Int = 1) {
    self.inbox.handle(through: offset, count: count)
    self.writeDueLater()
  }

  /// The user has read the messages of `peer` up to `offset`, the place of one of them. Said now, or once
  /// there is a connection, and again until the server has answered by `position`.
  ///
  /// - Parameter isPrivate: whether the peer is not told.
  public func read(_ peer: UserName, through offset: Offset, isPrivate: Bool = false) {
    self.read(ClientFrame.Read(peer: peer, offset: offset, isPrivate: isPrivate))
  }

  /// The same, by the id that it has, or by a new one.
  func read(_ read: ClientFrame.Read) {
    var read = read
    read.id = read.id ?? .unique()
    self.reads.read(read)
    self.writeDueLater()
  }

  // MARK: Asking and passing on

  /// Asks the server for something: now, or once there is a connection. The answer comes by
  /// ``ConnectClientCoreDelegate/answered(_:_:from:)``, at the latest after
  /// ``ConnectClientLimits/requestMilliseconds``, and only while the socket is read.
  ///
  /// It takes any number: bounding them is the caller's.
  ///
  /// - Parameter id: unique among what the user sends and asks.
  public func ask(_ request: ConnectRequest, id: MessageID) {
    guard self.reconnect.state != .stopped else { return }
    self.requests.ask(request, id: id, now: Self.now)
    self.wakeForDeadlines()
    self.writeDueLater()
  }

  /// Nobody waits for the answer to this request any more.
  public func cancel(_ id: MessageID) { self.requests.cancel(id) }

  /// Watches who of these users is online, instead of those watched before, on this connection and on
  /// later ones; none, to watch nobody. Told by ``ConnectEvent/presence(_:)``.
  public func watchPresence(of users: [UserName]) {
    self.requests.watch(users, id: .unique())
    self.writeDueLater()
  }

  /// The user is typing to `peer`: to be called at each key. The peer is told every
  /// ``ConnectClientLimits/typingRepeatMilliseconds``, if there is a connection.
  public func typing(to peer: UserName) {
    guard self.signals.isConnected, self.typing.typed(to: peer, now: Self.now) else { return }
    self.signal(OutgoingSignal(to: peer, name: .typing))
  }

  /// Passes something on to the devices of a user that are connected now. Dropped without a connection.
  public func signal(_ signal: OutgoingSignal) {
    self.signals.append(signal, now: Self.now)
    self.writeDueLater()
  }

  /// Stops or goes on with taking from the socket what the server sends. Nothing is told meanwhile
  /// but that the connection ends, and that there is a new one, which is read from until this is
  /// called again.
  public func setReading(_ isReading: Bool) { self.connection?.setReading(isReading) }
}
