import ConnectProtocol
import DequeModule

/// A message on its way to the server.
public struct OutgoingMessage: Hashable, Sendable {
  /// Unique among the sender's messages.
  public var id: MessageID
  /// The recipient.
  public var to: UserName
  /// What it says.
  public var body: MessageBody
  /// Whether the sender is told by `position` how far the recipient has it.
  public var receipt: Bool
  /// Whether the sender's devices get it as `sent`.
  public var copy: Bool
  /// Whether it counts as unread nowhere, such as an edit of another message.
  public var quiet: Bool
  /// Whether this id may have been sent before, by whomever.
  public var retry: ClientFrame.Retry

  /// A message with everything chosen.
  public init(
    id: MessageID, to: UserName, body: MessageBody, receipt: Bool = false, copy: Bool = false,
    quiet: Bool = false, retry: ClientFrame.Retry = .no
  ) {
    self.id = id
    self.to = to
    self.body = body
    self.receipt = receipt
    self.copy = copy
    self.quiet = quiet
    self.retry = retry
  }
}

/// Messages that the server has not answered for, in the order in which the app sent them: which one
/// goes out next, when, and whether as a repeat.
///
/// After a reconnect all are due again, in order, and before anything new. After a rejection that
/// says "later", nothing more is sent until all that is on the way is answered; then, after the wait,
/// the first one is sent alone, to see whether it is taken now; then the others that were rejected;
/// and anything new only once these are answered. So the order of what is sent again holds as far as
/// a client can see to it. (What the server took behind a message that it rejected is ahead of it.)
///
/// What is sent again is marked as a repeat only if an earlier attempt may have been taken: its
/// answer never came, or said that the server itself does not know. What was turned away unseen goes
/// as if it were new. A repeat says when it was first sent, by the server's clock: so the server need look
/// for it no further back.
///
/// Lives as long as the client, across connections. Pure: times are nanoseconds of the caller's
/// clock.
struct SendQueueStateMachine {
  private struct Entry {
    let message: OutgoingMessage
    var state = EntryState.due
    /// An earlier attempt may have been taken.
    var mayBeTaken = false
    /// When it was first sent, by the server's clock: milliseconds since 1970.
    var firstSent: UInt64?

    var retry: ClientFrame.Retry {
      guard self.mayBeTaken else { return .no }
      if self.message.retry != .no { return self.message.retry }
      return self.firstSent.map { .firstSent($0) } ?? .yes
    }
  }

  /// The server's clock, as the present connection has told it.
  private struct ServerClock {
    /// Milliseconds since 1970.
    var told: UInt64
    /// When that was, in nanoseconds of the caller's clock.
    var at: UInt64

    func now(_ now: UInt64) -> UInt64 { self.told &+ (now &- self.at) / 1_000_000 }
  }

  private enum EntryState: Hashable {
    /// To be sent. May become any other.
    case due
    /// On the way. May become `.due` or `.answered`.
    case sent
    /// Final; gone once all before it are.
    case answered
  }

  private enum Flow: Hashable {
    /// No connection. May become `.free`.
    case offline
    /// Whatever is due goes out. May become `.draining` or `.offline`.
    case free
    /// Something was rejected; what is on the way gets its answers. May become `.probing`, `.free`.
    case draining
    /// The first rejected one goes out alone. May become `.resending`, `.draining`, `.free`.
    case probing
    /// The other rejected ones go out. May become `.draining` or `.free`.
    case resending
  }

  private var entries = Deque<Entry>()
  /// All from here on have not been sent on this connection.
  private var firstUnsent = 0
  /// No entry before this one is due.
  private var firstDue = 0
  private var sentCount = 0
  private var flow = Flow.offline
  private var heldUntil: UInt64 = 0
  private var pacer = SendPacer(perSecond: 0)
  private var clock = ServerClock(told: 0, at: 0)

  /// How many messages have no answer yet.
  private(set) var unanswered = 0

  /// Takes a message from the app.
  mutating func append(_ message: OutgoingMessage) {
    self.entries.append(Entry(message: message, mayBeTaken: message.retry != .no))
    self.unanswered += 1
  }

  /// A connection was welcomed: all is due.
  ///
  /// - Parameter serverNow: the server's clock, in milliseconds since 1970.
  mutating func connected(sendsPerSecond: Int, serverNow: UInt64, now: UInt64) {
    self.disconnected()
    self.flow = .free
    self.heldUntil = 0
    self.pacer = SendPacer(perSecond: sendsPerSecond)
    self.clock = ServerClock(told: serverNow, at: now)
  }

  /// The connection is gone, and with it the answers that had not come.
  mutating func disconnected() {
    self.flow = .offline
    for index in self.entries.indices where self.entries[index].state == .sent {
      self.entries[index].state = .due
      self.entries[index].mayBeTaken = true
    }
    self.sentCount = 0
    self.firstUnsent = 0
    self.firstDue = 0
  }

  /// No more is to be sent on this connection: it is about to end.
  mutating func hold() { self.flow = .offline }

  enum Next: Hashable {
    /// Nothing is due until something else happens.
    case none
    /// Ask again at this time.
    case wait(until: UInt64)
    /// Write this message now, with this `retry`.
    case send(OutgoingMessage, retry: ClientFrame.Retry)
  }

  /// Takes leave for a request that costs as much as a message: the server has one bound for both.
  ///
  /// - Returns: nil if it may go now, else when to ask again.
  mutating func takeTurn(now: UInt64) -> UInt64? { self.pacer.take(now: now) }

  /// The message that is due now, which thereby counts as sent.
  mutating func next(now: UInt64) -> Next {
    switch self.flow {
    case .offline, .draining:
      return .none
    case .free:
      return self.send(from: self.firstUnsent, now: now)
    case .probing:
      guard self.sentCount == 0 else { return .none }
      if now < self.heldUntil { return .wait(until: self.heldUntil) }
      return self.send(from: self.firstDue, now: now)
    case .resending:
      return self.send(from: self.firstDue, before: self.firstUnsent, now: now)
    }
  }

  private mutating func send(from start: Int, before end: Int = .max, now: UInt64) -> Next {
    var index = start
    let end = min(end, self.entries.count)
    while index < end, self.entries[index].state != .due { index += 1 }
    guard index < end else { return .none }
    if let until = self.pacer.take(now: now) { return .wait(until: until) }

    let retry = self.entries[index].retry
    if self.entries[index].firstSent == nil { self.entries[index].firstSent = self.clock.now(now) }
    self.entries[index].state = .sent
    self.sentCount += 1
    self.firstDue = index + 1
    self.firstUnsent = max(self.firstUnsent, index + 1)
    return .send(self.entries[index].message, retry: retry)
  }

  /// The server has taken a message, or refused it for good, or it cannot be sent at all.
  ///
  /// - Returns: whether it had been waiting for an answer.
  mutating func settled(_ id: MessageID) -> Bool {
    guard let index = self.firstSent(id) else { return false }
    self.entries[index].state = .answered
    self.unanswered -= 1
    self.answered(isRejected: false)
    self.dropAnswered()
    return true
  }

  /// A message has come back as a copy: the server has taken it, whatever became of the answer.
  ///
  /// - Returns: whether it had been waiting for an answer.
  mutating func copied(_ id: MessageID) -> Bool {
    if self.settled(id) { return true }
    let waiting = self.entries.indices.first { index in
      self.entries[index].state == .due && self.entries[index].mayBeTaken
        && self.entries[index].message.id == id
    }
    guard let index = waiting else { return false }
    self.entries[index].state = .answered
    self.unanswered -= 1
    // It may be the last one that what is new waits for.
    if self.flow == .resending, self.sentCount == 0, !self.hasRejected { self.flow = .free }
    self.dropAnswered()
    return true
  }

  /// The server asks to send a message again later.
  ///
  /// - Parameters:
  ///   - until: when.
  ///   - mayBeTaken: whether the server may have taken it nevertheless.
  /// - Returns: whether it had been waiting for an answer.
  mutating func rejected(_ id: MessageID, until: UInt64, mayBeTaken: Bool) -> Bool {
    guard let index = self.firstSent(id) else { return false }
    self.entries[index].state = .due
    if mayBeTaken { self.entries[index].mayBeTaken = true }
    self.firstDue = min(self.firstDue, index)
    self.heldUntil = max(self.heldUntil, until)
    self.answered(isRejected: true)
    return true
  }

  private mutating func answered(isRejected: Bool) {
    self.sentCount -= 1
    if isRejected, self.flow != .offline { self.flow = .draining }
    switch self.flow {
    case .offline, .free: break
    case .draining:
      if self.sentCount == 0 { self.flow = self.hasRejected ? .probing : .free }
    case .probing:
      self.flow = self.hasRejected ? .resending : .free
    case .resending:
      if self.sentCount == 0, !self.hasRejected { self.flow = .free }
    }
  }

  private var hasRejected: Bool {
    var index = self.firstDue
    while index < self.firstUnsent {
      if self.entries[index].state == .due { return true }
      index += 1
    }
    return false
  }

  /// Answers come in order nearly always, so the first that is looked at is the one.
  private func firstSent(_ id: MessageID) -> Int? {
    for index in 0..<self.firstUnsent
    where self.entries[index].state == .sent && self.entries[index].message.id == id {
      return index
    }
    return nil
  }

  private mutating func dropAnswered() {
    while self.entries.first?.state == .answered {
      self.entries.removeFirst()
      self.firstUnsent -= min(1, self.firstUnsent)
      self.firstDue -= min(1, self.firstDue)
    }
    // An idle client holds no memory for what it once had to send.
    if self.entries.isEmpty { self.entries = Deque() }
  }
}
