import ConnectProtocol
import NIOConcurrencyHelpers
import NIOCore

/// # ConnectClient
///
/// The client of Connect, for apps and for tools: it stays connected, sends in order and sends again
/// what was not answered, and tells each message once.
///
/// - `Opening/` is everything before the first frame: the address, the handshake, refusals.
/// - `Connection/` is one WebSocket, callback style.
/// - `Core/` is what lives across connections, callback style: reconnecting, the queue of sends, acks.
/// - `Client/` is all that for Swift's concurrency: this class, and the sequence of events.
/// - `Conversations/` is what an app shows, and where it is stored: a book that is pure, a keeper that stores
///   and tells, and the values that an app holds.

/// A client as an app uses it: one object for as long as the user is signed in.
///
/// The first page of this documentation has an example, and says what a client sees to. How it does is in
/// <doc:Connecting>, <doc:Sending> and <doc:Receiving>.
///
/// Somebody must consume ``events``, even who only sends: when too many wait, the answers to sends
/// wait behind them.
public final class ConnectClient: Sendable {
  private let configuration: NIOLockedValueBox<ConnectClientConfiguration>
  /// Of a client that keeps conversations.
  let keeper: ConversationKeeper?
  private let eventLoop: any EventLoop
  private let token: @Sendable () async throws -> String
  let shared: NIOLockedValueBox<ClientState>
  private let core: NIOLoopBoundBox<ConnectClientCore?>

  /// - Parameters:
  ///   - eventLoop: where the socket lives; any of NIO's shared ones if left out, on Apple platforms of
  ///     NIOTransportServices'. Clients may share one.
  ///   - token: asked for each connection. What it throws is taken as "not now", and it is asked
  ///     again, with back-off; to give up, ``close()``.
  public convenience init(
    configuration: ConnectClientConfiguration, eventLoop: (any EventLoop)? = nil,
    token: @escaping @Sendable () async throws -> String
  ) {
    self.init(configuration: configuration, eventLoop: eventLoop, keeper: nil, token: token)
  }

  init(
    configuration: ConnectClientConfiguration, eventLoop: (any EventLoop)?,
    keeper: ConversationKeeper?, token: @escaping @Sendable () async throws -> String
  ) {
    let eventLoop = eventLoop ?? ConnectClientConnection.standardEventLoop
    self.configuration = NIOLockedValueBox(configuration)
    self.keeper = keeper
    self.eventLoop = eventLoop
    self.token = token
    self.shared = NIOLockedValueBox(
      ClientState(
        maximumUnanswered: configuration.unansweredSends,
        bufferedEvents: configuration.bufferedEvents))
    self.core = .makeEmptyBox(eventLoop: eventLoop)
  }

  // MARK: Running

  /// Stays connected until ``close()`` or until the task is cancelled. To be called once.
  ///
  /// - Throws: why it ended by itself, when connecting again would not help: the token is refused, a
  ///   newer connection of the device took over, the server is none of ours.
  public func run() async throws(ConnectionEnd) {
    guard let keeper = self.keeper else { return try await self.stayConnected() }
    let (since, positions) = await keeper.open()
    self.configuration.withLockedValue { configuration in
      configuration.since = since
      configuration.positions = positions
      configuration.user = keeper.owner.user
    }
    try await withTaskGroup(of: Void.self) { group -> Result<Void, ConnectionEnd> in
      group.addTask { await self.handEvents(to: keeper) }
      group.addTask { await keeper.keep(self) }
      let result: Result<Void, ConnectionEnd>
      do throws(ConnectionEnd) {
        result = .success(try await self.stayConnected())
      } catch {
        result = .failure(error)
      }
      keeper.change { $0.releaseArrivals() }
      await group.waitForAll()
      return result
    }.get()
  }

  private func stayConnected() async throws(ConnectionEnd) {
    if self.shared.withLockedValue({ $0.run() }) { self.wakeLoop() }
    let end = await withTaskCancellationHandler {
      while true {
        switch await self.nextSignal() {
        case .ended(let end): return end
        case .needsToken: await self.provideToken()
        }
      }
    } onCancel: {
      self.close()
    }
    if end != .closed { throw end }
  }

  /// Acks what is handled, closes the connection, and ends ``run()`` and ``events``. What was not
  /// answered fails; to wait for answers first: ``answered()``.
  public func close() {
    self.keeper?.change { $0.releaseArrivals() }
    let (wakes, waiting) = self.shared.withLockedValue { $0.close() }
    if wakes { self.wakeLoop() }
    if waiting.ended != nil {
      // It was not run, so nothing else ends what is observed.
      self.keeper?.end()
    }
    waiting.resume()
  }

  private func nextSignal() async -> ClientState.RunSignal {
    await withCheckedContinuation { continuation in
      if let signal = self.shared.withLockedValue({ $0.waitForSignal(continuation) }) {
        continuation.resume(returning: signal)
      }
    }
  }

  private func provideToken() async {
    do {
      let token = try await self.token()
      self.eventLoop.execute { self.core.value?.open(token: token) }
    } catch {
      self.eventLoop.execute { self.core.value?.fail(error) }
    }
  }

  // MARK: Sending

  /// Sends a message, and returns when the server has taken it: from then on it is durable, and comes
  /// to the recipient's devices, or back as ``ConnectEvent/failed(_:)`` when there is no room for it.
  ///
  /// Waits for room while too many messages are unanswered. Messages of one task go out in the order
  /// in which it sends them; to send the next without waiting for the answer, there is
  /// ``enqueue(to:id:body:receipt:copy:quiet:retry:)``.
  ///
  /// - Parameters:
  ///   - id: unique among the user's messages; a new one if left out.
  ///   - receipt: whether the sender is told by `position` how far the recipient has it.
  ///   - copy: whether the user's devices get it as `sent`.
  ///   - quiet: whether it counts as unread nowhere, such as an edit of another message.
  ///   - retry: whether this id may have been taken before: of what came back as `failed`, or what an
  ///     earlier client sent without an answer. It is stored once all the same.
  /// - Returns: the offset under which the recipient sees it.
  @discardableResult
  public func send(
    to: UserName, id: MessageID = .unique(), body: MessageBody, receipt: Bool = false,
    copy: Bool = false, quiet: Bool = false, retry: ClientFrame.Retry = .no
  ) async throws(ConnectSendError) -> Offset {
    let message = OutgoingMessage(
      id: id, to: to, body: body, receipt: receipt, copy: copy, quiet: quiet, retry: retry)
    try await self.takeRoom()
    return try await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (wakes, result, room) = self.shared.withLockedValue { $0.submit(message, continuation) }
        if wakes { self.wakeLoop() }
        room?.resume(returning: .success(()))
        if let result { continuation.resume(returning: result) }
      }
    } onCancel: {
      self.shared.withLockedValue { $0.cancelAnswer(id) }?.resume(returning: .failure(.cancelled))
    }.get()
  }

  /// Sends a message without waiting for the answer, which comes as an event: `accepted`, or
  /// `rejected` with `isFinal`.
  ///
  /// Waits for room while too many messages are unanswered.
  ///
  /// - Returns: the message's id.
  @discardableResult
  public func enqueue(
    to: UserName, id: MessageID = .unique(), body: MessageBody, receipt: Bool = false,
    copy: Bool = false, quiet: Bool = false, retry: ClientFrame.Retry = .no
  ) async throws(ConnectSendError) -> MessageID {
    let message = OutgoingMessage(
      id: id, to: to, body: body, receipt: receipt, copy: copy, quiet: quiet, retry: retry)
    try await self.takeRoom()
    try self.submit(message)
    return id
  }

  /// As ``enqueue(to:id:body:receipt:copy:quiet:retry:)``, but fails with `full` instead of waiting for room.
  @discardableResult
  public func tryEnqueue(
    to: UserName, id: MessageID = .unique(), body: MessageBody, receipt: Bool = false,
    copy: Bool = false, quiet: Bool = false, retry: ClientFrame.Retry = .no
  ) throws(ConnectSendError) -> MessageID {
    let message = OutgoingMessage(
      id: id, to: to, body: body, receipt: receipt, copy: copy, quiet: quiet, retry: retry)
    switch self.shared.withLockedValue({ $0.takeRoom() }) {
    case .taken: try self.submit(message)
    case .none: throw .full
    case .failed(let error): throw error
    }
    return id
  }

  /// Says that the user has read the messages of `peer` up to `offset`, the place of one of them: now, or
  /// once there is a connection, and again until the server has answered by
  /// ``ConnectEvent/position(_:)``.
  ///
  /// - Parameter isPrivate: whether the peer is not told.
  public func read(_ peer: UserName, through offset: Offset, isPrivate: Bool = false) {
    self.submit(ClientFrame.Read(peer: peer, offset: offset, isPrivate: isPrivate))
  }

  /// Waits until the server has answered all that was sent, or the client has ended.
  public func answered() async {
    if let keeper = self.keeper { return await keeper.answered() }
    await withCheckedContinuation { continuation in
      if self.shared.withLockedValue({ $0.waitForAnswers(continuation) }) { continuation.resume() }
    }
  }

  private func takeRoom() async throws(ConnectSendError) {
    switch self.shared.withLockedValue({ $0.takeRoom() }) {
    case .taken: return
    case .failed(let error): throw error
    case .none: break
    }
    let waiter = self.shared.withLockedValue { $0.nextWaiterID() }
    try await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let result = self.shared.withLockedValue {
          $0.waitForRoom(waiter, continuation, isCancelled: Task.isCancelled)
        }
        if let result { continuation.resume(returning: result) }
      }
    } onCancel: {
      self.shared.withLockedValue { $0.cancelRoom(waiter) }?.resume(returning: .failure(.cancelled))
    }.get()
  }

  private func submit(_ message: OutgoingMessage) throws(ConnectSendError) {
    guard let wakes = self.shared.withLockedValue({ $0.submit(message) }) else {
      throw .ended(.closed)
    }
    if wakes { self.wakeLoop() }
  }

  // MARK: Receiving

  /// Everything that happens, in order; ends with the client. For one consumer; a client that was made for a user
  /// consumes them itself.
  ///
  /// An event with an offset is acked when the consumer asks for the next one: a consumer that is
  /// cancelled or crashes while handling an event gets it again. See ``acknowledge(_:)`` for
  /// leaving the loop.
  public var events: ConnectEvents { ConnectEvents(client: self) }

  /// All up to and including `offset` is handled. Only needed for the last event before one leaves
  /// the loop over ``events``, which acks all others.
  public func acknowledge(_ offset: Offset) {
    if self.shared.withLockedValue({ $0.acknowledge(offset) }) { self.wakeLoop() }
  }

  func nextEvent(handled offset: Offset?) async -> ConnectEvent? {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (next, wakes) = self.shared.withLockedValue {
          $0.next(handled: offset, continuation, isCancelled: Task.isCancelled)
        }
        if wakes { self.wakeLoop() }
        if case .event(let event) = next { continuation.resume(returning: event) }
      }
    } onCancel: {
      self.shared.withLockedValue { $0.cancelConsumer() }?.resume(returning: nil)
    }
  }

  // MARK: The event loop

  /// Breaks the connection as a dead network would. For tests.
  func breakConnection() { self.eventLoop.execute { self.core.value?.breakConnection() } }

  func wakeLoop() { self.eventLoop.execute { self.work() } }

  private func work() {
    let core: ConnectClientCore
    if let existing = self.core.value {
      core = existing
    } else {
      core = ConnectClientCore(
        configuration: self.configuration.withLockedValue { $0 }, on: self.eventLoop,
        delegate: CoreObserver(state: self.shared))
      self.core.value = core
    }
    let work = self.shared.withLockedValue { $0.takeWork() }
    // Before the messages that end it.
    for peer in work.typing { core.typing(to: peer) }
    for message in work.messages { core.send(message) }
    for read in work.reads { core.read(read) }
    for request in work.requests { core.ask(request.request, id: request.id) }
    for id in work.cancelled { core.cancel(id) }
    if let users = work.watched { core.watchPresence(of: users) }
    for signal in work.signals { core.signal(signal) }
    if let offset = work.handled { core.acknowledge(offset, count: work.handledCount) }
    if work.resumesReading { core.setReading(true) }
    if work.closes { core.close() } else { core.start() }
  }
}

/// Brings a core's events to the tasks that wait for them.
private final class CoreObserver: ConnectClientCoreDelegate {
  private let state: NIOLockedValueBox<ClientState>

  init(state: NIOLockedValueBox<ClientState>) { self.state = state }

  func needsToken(_ core: ConnectClientCore) {
    self.state.withLockedValue { $0.tokenNeeded() }?.resume(returning: .needsToken)
  }

  func received(_ event: ConnectEvent, from core: ConnectClientCore) {
    var event = event
    // A slice would keep a whole receive buffer alive for as long as the app keeps the message.
    switch event {
    case .message(var message):
      message.body = message.body.compact
      event = .message(message)
    case .sent(var sent):
      sent.body = sent.body.compact
      event = .sent(sent)
    default: break
    }
    let (pauses, waiting) = self.state.withLockedValue { $0.received(event) }
    if pauses { core.setReading(false) }
    waiting.resume()
  }

  func answered(
    _ id: MessageID, _ result: Result<ConnectAnswer, ConnectRequestError>,
    from core: ConnectClientCore
  ) {
    self.state.withLockedValue { $0.answered(id) }?.resume(returning: result)
  }
}

extension MessageID {
  private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

  /// A new id: 75 random bits, in as many characters as a `String` holds without allocating.
  public static func unique() -> MessageID {
    var bits = UInt128.random(in: .min ... .max)
    let text = String(unsafeUninitializedCapacity: 15) { buffer in
      for index in 0..<15 {
        buffer[index] = Self.alphabet[Int(truncatingIfNeeded: bits & 31)]
        bits >>= 5
      }
      return 15
    }
    guard let id = MessageID(text) else { preconditionFailure("the alphabet is an id's") }
    return id
  }
}
