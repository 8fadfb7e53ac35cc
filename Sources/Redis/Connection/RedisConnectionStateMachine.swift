import DequeModule

/// The batches of one connection that were written, in order, and are not yet fully answered.
///
/// Pure: times are numbers of nanoseconds that the caller takes from its clock, and `Request` is
/// whatever the caller wants back when a batch is done.
struct RedisConnectionStateMachine<Request>: ~Copyable {
  struct Pending {
    let request: Request
    let commands: Int
    let bytes: Int
    let deadline: UInt64
    var answered = 0
  }

  enum State {
    /// Batches are accepted. May become `.closed`.
    case open
    /// Nothing is accepted. Final.
    case closed(RedisError)
  }

  private var state = State.open
  private var pending = Deque<Pending>()
  private var unansweredBytes = 0
  private let maximumUnansweredBytes: Int

  init(maximumUnansweredBytes: Int) { self.maximumUnansweredBytes = maximumUnansweredBytes }

  enum SubmitAction {
    /// Write the batch. `isFirst`: the next replies are its own.
    case write(isFirst: Bool)
    case refuse(RedisError)
  }

  mutating func submit(
    _ request: Request, commands: Int, bytes: Int, deadline: UInt64
  ) -> SubmitAction {
    precondition(commands > 0, "an empty batch has no reply to wait for")
    // Whatever ended the connection, this batch was never sent.
    if case .closed(let reason) = self.state { return .refuse(.unavailable("\(reason)")) }
    // A single batch larger than the bound still passes when nothing else is under way.
    guard self.pending.isEmpty || bytes <= self.maximumUnansweredBytes - self.unansweredBytes else {
      return .refuse(.unavailable("\(self.unansweredBytes) bytes of commands are unanswered"))
    }
    self.pending.append(
      Pending(request: request, commands: commands, bytes: bytes, deadline: deadline))
    self.unansweredBytes += bytes
    return .write(isFirst: self.pending.count == 1)
  }

  enum ReplyAction {
    /// The batch in front has more replies to come.
    case wait
    /// The batch in front is done. The next replies belong to `next`.
    case complete(Request, commands: Int, next: Request?)
    /// Redis sent a reply that nothing asked for: close.
    case unexpected
  }

  mutating func replyReceived() -> ReplyAction {
    guard case .open = self.state, !self.pending.isEmpty else { return .unexpected }
    self.pending[0].answered += 1
    guard self.pending[0].answered == self.pending[0].commands else { return .wait }
    let done = self.pending.removeFirst()
    self.unansweredBytes -= done.bytes
    return .complete(done.request, commands: done.commands, next: self.pending.first?.request)
  }

  /// Whether batches are accepted and replies are expected.
  var isOpen: Bool { if case .open = self.state { true } else { false } }

  /// Why no batches are accepted; nil while they are.
  var closeReason: RedisError? {
    guard case .closed(let reason) = self.state else { return nil }
    return reason
  }

  var awaitsReply: Bool { !self.pending.isEmpty }

  /// When the batch in front is due. Replies come in order, so no other deadline matters sooner:
  /// a batch behind it cannot be answered before it.
  var nextDeadline: UInt64? { self.pending.first?.deadline }

  /// Whether the batch in front is overdue, which makes the connection useless.
  func isOverdue(now: UInt64) -> Bool { self.pending.first.map { $0.deadline <= now } ?? false }

  /// Accepts nothing more, and returns the unanswered requests, in order.
  mutating func close(_ reason: RedisError) -> [(Request, commands: Int)] {
    guard case .open = self.state else { return [] }
    self.state = .closed(reason)
    defer {
      self.pending.removeAll(keepingCapacity: false)
      self.unansweredBytes = 0
    }
    return self.pending.map { ($0.request, $0.commands) }
  }
}
