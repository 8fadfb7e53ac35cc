import ConnectProtocol
import DequeModule

/// State that a ``ConnectClient`` shares between its callers' tasks and its event loop, under a
/// lock.
///
/// Pure but for the continuations, which it hands out for the caller to resume once the lock is
/// released.
struct ClientState {
  typealias RoomContinuation = CheckedContinuation<Result<Void, ConnectSendError>, Never>
  typealias AnswerContinuation = CheckedContinuation<Result<Offset, ConnectSendError>, Never>
  typealias RequestContinuation = CheckedContinuation<
    Result<ConnectAnswer, ConnectRequestError>, Never
  >

  enum Phase: Hashable {
    /// Not run yet. May become any other.
    case idle
    /// May become `.ended`.
    case running
    /// Final.
    case ended(ConnectionEnd)
  }

  private(set) var phase = Phase.idle
  private let maximumUnanswered: Int

  // MARK: Work for the event loop

  /// Work for the event loop.
  struct Work {
    var messages = Deque<OutgoingMessage>()
    var reads: [ClientFrame.Read] = []
    var requests: [(id: MessageID, request: ConnectRequest)] = []
    var cancelled: [MessageID] = []
    /// Who is to be watched from now on.
    var watched: [UserName]?
    /// To whom the user types.
    var typing: [UserName] = []
    var signals: [OutgoingSignal] = []
    var handled: Offset?
    var handledCount = 0
    var resumesReading = false
    var closes = false
  }

  var work = Work()
  private var isWorkScheduled = false

  init(maximumUnanswered: Int, bufferedEvents: Int) {
    precondition(maximumUnanswered >= 1)
    self.maximumUnanswered = maximumUnanswered
    self.events = EventBuffer(high: bufferedEvents)
  }

  /// Whether to wake the event loop: not if it was woken already, or there is none yet.
  mutating func schedulesWork() -> Bool {
    guard self.phase == .running, !self.isWorkScheduled else { return false }
    self.isWorkScheduled = true
    return true
  }

  /// On the event loop: what there is to do.
  mutating func takeWork() -> Work {
    self.isWorkScheduled = false
    defer { self.work = Work() }
    return self.work
  }

  /// Starts.
  ///
  /// - Returns: whether to wake the event loop; not if it is over already.
  mutating func run() -> Bool {
    precondition(self.phase != .running, "run() is called once")
    guard self.phase == .idle else { return false }
    self.phase = .running
    return self.schedulesWork()
  }

  /// The app is done.
  ///
  /// - Returns: whether to wake the event loop, and otherwise who waits in vain.
  mutating func close() -> (wakes: Bool, Waiting) {
    switch self.phase {
    case .idle:
      return (false, self.end(.closed))
    case .running:
      self.work.closes = true
      return (self.schedulesWork(), Waiting())
    case .ended:
      return (false, Waiting())
    }
  }

  // MARK: Tokens

  enum RunSignal {
    case needsToken
    case ended(ConnectionEnd)
  }

  private var needsToken = false
  private var runContinuation: CheckedContinuation<RunSignal, Never>?

  /// The core needs a token.
  mutating func tokenNeeded() -> CheckedContinuation<RunSignal, Never>? {
    guard let continuation = self.runContinuation.take() else {
      self.needsToken = true
      return nil
    }
    return continuation
  }

  /// `run` has nothing to do, unless this answers that it has.
  mutating func waitForSignal(
    _ continuation: CheckedContinuation<RunSignal, Never>
  ) -> RunSignal? {
    if case .ended(let end) = self.phase { return .ended(end) }
    if self.needsToken {
      self.needsToken = false
      return .needsToken
    }
    self.runContinuation = continuation
    return nil
  }

  // MARK: Sending

  private var unanswered = 0
  private var nextWaiter: UInt64 = 0
  private var roomWaiters = Deque<(id: UInt64, continuation: RoomContinuation)>()
  private var answerContinuations: [MessageID: AnswerContinuation] = [:]
  var requestContinuations: [MessageID: RequestContinuation] = [:]
  private var idleContinuations: [CheckedContinuation<Void, Never>] = []

  enum Room {
    case taken
    case none
    case failed(ConnectSendError)
  }

  /// Takes room for one message.
  mutating func takeRoom() -> Room {
    if case .ended(let end) = self.phase { return .failed(.ended(end)) }
    guard self.unanswered < self.maximumUnanswered, self.roomWaiters.isEmpty else { return .none }
    self.unanswered += 1
    return .taken
  }

  mutating func nextWaiterID() -> UInt64 {
    self.nextWaiter += 1
    return self.nextWaiter
  }

  /// Takes room for one message, now or when there is.
  ///
  /// - Returns: what to resume the continuation with, unless it waits.
  mutating func waitForRoom(
    _ id: UInt64, _ continuation: RoomContinuation, isCancelled: Bool
  ) -> Result<Void, ConnectSendError>? {
    if isCancelled { return .failure(.cancelled) }
    switch self.takeRoom() {
    case .taken: return .success(())
    case .failed(let error): return .failure(error)
    case .none:
      self.roomWaiters.append((id, continuation))
      return nil
    }
  }

  mutating func cancelRoom(_ id: UInt64) -> RoomContinuation? {
    guard let index = self.roomWaiters.firstIndex(where: { $0.id == id }) else { return nil }
    return self.roomWaiters.remove(at: index).continuation
  }

  /// Hands a message, for which there is room, to the event loop.
  ///
  /// - Returns: whether to wake it; nil if the client has ended.
  mutating func submit(_ message: OutgoingMessage) -> Bool? {
    if case .ended = self.phase { return nil }
    self.work.messages.append(message)
    return self.schedulesWork()
  }

  /// Hands a message to the event loop, however many have no answer.
  ///
  /// - Returns: whether to wake it.
  mutating func submitAnyway(_ message: OutgoingMessage) -> Bool {
    if case .ended = self.phase { return false }
    self.unanswered += 1
    self.work.messages.append(message)
    return self.schedulesWork()
  }

  /// Hands a message to the event loop, for somebody who waits for its answer.
  mutating func submit(
    _ message: OutgoingMessage, _ continuation: AnswerContinuation
  ) -> (wakes: Bool, result: Result<Offset, ConnectSendError>?, room: RoomContinuation?) {
    guard self.answerContinuations[message.id] == nil else {
      return (false, .failure(.duplicate(message.id)), self.freeRoom())
    }
    guard let wakes = self.submit(message) else {
      return (false, .failure(self.endedError), nil)
    }
    self.answerContinuations[message.id] = continuation
    return (wakes, nil, nil)
  }

  /// Hands what the user has read to the event loop.
  ///
  /// - Returns: whether to wake it.
  mutating func read(_ read: ClientFrame.Read) -> Bool {
    if case .ended = self.phase { return false }
    self.work.reads.append(read)
    return self.schedulesWork()
  }

  private var endedError: ConnectSendError {
    guard case .ended(let end) = self.phase else { preconditionFailure("it has not ended") }
    return .ended(end)
  }

  mutating func cancelAnswer(_ id: MessageID) -> AnswerContinuation? {
    self.answerContinuations.removeValue(forKey: id)
  }

  /// Room has become free: it goes to whoever waited longest.
  private mutating func freeRoom() -> RoomContinuation? {
    if let waiter = self.roomWaiters.popFirst() { return waiter.continuation }
    self.unanswered -= 1
    return nil
  }

  /// Whether nothing is unanswered, and if not, resumes the continuation then.
  mutating func waitForAnswers(_ continuation: CheckedContinuation<Void, Never>) -> Bool {
    if self.unanswered == 0 { return true }
    if case .ended = self.phase { return true }
    self.idleContinuations.append(continuation)
    return false
  }

  // MARK: Events

  private var events: EventBuffer
  private var consumer: CheckedContinuation<ConnectEvent?, Never>?

  /// The callers that an event concerns.
  struct Waiting {
    var consumer: CheckedContinuation<ConnectEvent?, Never>?
    var event: ConnectEvent?
    var answer: (AnswerContinuation, Result<Offset, ConnectSendError>)?
    var room: RoomContinuation?
    var idle: [CheckedContinuation<Void, Never>] = []
    var ended:
      (
        end: ConnectionEnd, answers: [AnswerContinuation], rooms: [RoomContinuation],
        requests: [RequestContinuation]
      )?
    var run: (CheckedContinuation<RunSignal, Never>, ConnectionEnd)?

    func resume() {
      self.consumer?.resume(returning: self.event)
      if let (continuation, result) = self.answer { continuation.resume(returning: result) }
      self.room?.resume(returning: .success(()))
      for continuation in self.idle { continuation.resume() }
      if let ended = self.ended {
        for answer in ended.answers { answer.resume(returning: .failure(.ended(ended.end))) }
        for room in ended.rooms { room.resume(returning: .failure(.ended(ended.end))) }
        for request in ended.requests { request.resume(returning: .failure(.ended(ended.end))) }
      }
      if let (continuation, end) = self.run { continuation.resume(returning: .ended(end)) }
    }
  }

  /// On the event loop: something has happened.
  ///
  /// - Returns: whether to stop reading now, and whom to tell.
  mutating func received(_ event: ConnectEvent) -> (pauses: Bool, Waiting) {
    var waiting = Waiting()
    switch event {
    case .accepted(let id, let offset):
      self.answered(id, .success(offset), &waiting)
    case .rejected(let rejected, isFinal: true):
      self.answered(rejected.id, .failure(.rejected(rejected)), &waiting)
    case .disconnected(let end, retryIn: nil):
      waiting = self.end(end, event)
      return (false, waiting)
    default:
      break
    }
    if waiting.answer != nil { return (self.events.isPaused, waiting) }
    return (self.tell(event, &waiting), waiting)
  }

  private mutating func tell(_ event: ConnectEvent, _ waiting: inout Waiting) -> Bool {
    guard let consumer = self.consumer.take() else { return self.events.append(event) }
    waiting.consumer = consumer
    waiting.event = event
    if case .disconnected(_, retryIn: nil) = event {
      _ = self.events.append(event)
      _ = self.events.next()
    }
    return false
  }

  private mutating func answered(
    _ id: MessageID, _ result: Result<Offset, ConnectSendError>, _ waiting: inout Waiting
  ) {
    if let continuation = self.answerContinuations.removeValue(forKey: id) {
      waiting.answer = (continuation, result)
    }
    waiting.room = self.freeRoom()
    if self.unanswered == 0 { swap(&waiting.idle, &self.idleContinuations) }
  }

  private mutating func end(_ end: ConnectionEnd, _ event: ConnectEvent? = nil) -> Waiting {
    self.phase = .ended(end)
    var waiting = Waiting()
    _ = self.tell(event ?? .disconnected(end, retryIn: nil), &waiting)
    waiting.ended = (
      end, Array(self.answerContinuations.values), self.roomWaiters.map(\.continuation),
      Array(self.requestContinuations.values)
    )
    swap(&waiting.idle, &self.idleContinuations)
    if let continuation = self.runContinuation.take() { waiting.run = (continuation, end) }
    self.answerContinuations = [:]
    self.requestContinuations = [:]
    self.roomWaiters = []
    self.work = Work()
    return waiting
  }

  // MARK: The consumer

  enum Next {
    case event(ConnectEvent?)
    case wait
  }

  /// The consumer is done with what it had, and wants the next event.
  ///
  /// - Returns: the event, or that it waits; and whether to wake the event loop.
  mutating func next(
    handled offset: Offset?, _ continuation: CheckedContinuation<ConnectEvent?, Never>,
    isCancelled: Bool
  ) -> (Next, wakes: Bool) {
    precondition(self.consumer == nil, "events have one consumer")
    var hasWork = false
    if let offset {
      self.handled(offset)
      hasWork = true
    }
    let event = isCancelled ? nil : self.events.next()
    if self.events.resumes() {
      self.work.resumesReading = true
      hasWork = true
    }
    let wakes = hasWork && self.schedulesWork()
    if event != nil || isCancelled || self.events.isFinished { return (.event(event), wakes) }
    self.consumer = continuation
    return (.wait, wakes)
  }

  /// The consumer takes some more events, without waiting for them.
  mutating func moreEvents(_ limit: Int) -> [ConnectEvent] {
    var events: [ConnectEvent] = []
    while events.count < limit, let event = self.events.next() { events.append(event) }
    return events
  }

  mutating func cancelConsumer() -> CheckedContinuation<ConnectEvent?, Never>? {
    self.consumer.take()
  }

  private mutating func handled(_ offset: Offset) {
    self.work.handled = max(self.work.handled ?? offset, offset)
    self.work.handledCount += 1
  }

  /// The app has handled all up to an offset.
  ///
  /// - Returns: whether to wake the event loop.
  mutating func acknowledge(_ offset: Offset) -> Bool {
    self.handled(offset)
    return self.schedulesWork()
  }
}
