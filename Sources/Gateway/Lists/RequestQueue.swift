import ConnectProtocol
import DequeModule
import NIOCore

/// The requests of one connection for lists and history, in the order in which they came. They are served
/// one by one, and the next one only when the socket takes more, so that what they cost is bounded.
///
/// Pure.
struct RequestQueue {
  enum Request: Hashable {
    case conversations(ClientFrame.Conversations)
    case history(ClientFrame.History)

    var id: MessageID? {
      switch self {
      case .conversations(let request): request.id
      case .history(let request): request.id
      }
    }
  }

  enum Answer: Hashable {
    case conversations(MessageID?, ConversationFold.Answer)
    case history(MessageID?, HistoryLook.Answer)
  }

  enum Step: Hashable {
    /// Read it, and call ``arrived(_:)`` or ``failed()``.
    case read(LogLook.Read)
    /// Send it. Then the next may be served.
    case answer(Answer)
  }

  /// Indirect: an idle connection has room for a pointer.
  private indirect enum Serving {
    case conversations(ConversationFold)
    case history(HistoryLook)
  }

  private var waiting = Deque<Request>()
  /// What is done for the first of them.
  private var serving: Serving?

  /// Number of requests that are not answered.
  var count: Int { self.waiting.count }

  var isAtRest: Bool { self.waiting.isEmpty && self.serving == nil }

  mutating func append(_ request: Request) { self.waiting.append(request) }

  /// What is to be read for the first, if nothing is done for it yet.
  mutating func next(owner: UserName, frameBytes: Int) -> LogLook.Read? {
    guard self.serving == nil, let first = self.waiting.first else { return nil }
    switch first {
    case .conversations(let request):
      var fold = ConversationFold(request, owner: owner, frameBytes: frameBytes)
      let read = fold.start()
      self.serving = .conversations(fold)
      return read
    case .history(let request):
      var look = HistoryLook(request, frameBytes: frameBytes)
      let read = look.start()
      self.serving = .history(look)
      return read
    }
  }

  /// What was asked for was read.
  ///
  /// - Returns: nil if nobody waits for it any more.
  mutating func arrived(_ reply: LogLook.Reply) -> Step? {
    // Taken out, so that what it holds is changed in place.
    let serving = self.serving.take()
    switch serving {
    case .conversations(var fold):
      if let read = fold.arrived(reply) {
        self.serving = .conversations(fold)
        return .read(read)
      }
      return self.removeFirst().map { .answer(.conversations($0.id, fold.answer)) }
    case .history(var look):
      if let read = look.arrived(reply) {
        self.serving = .history(look)
        return .read(read)
      }
      return self.removeFirst().map { .answer(.history($0.id, look.answer)) }
    case nil:
      return nil
    }
  }

  /// It could not be read.
  ///
  /// - Returns: the request that it was for, to be refused.
  mutating func failed() -> Request? { self.serving == nil ? nil : self.removeFirst() }

  /// The connection ends.
  ///
  /// - Returns: the requests that were not answered, to be refused.
  mutating func end() -> Deque<Request> {
    defer {
      self.waiting = Deque()
      self.serving = nil
    }
    return self.waiting
  }

  private mutating func removeFirst() -> Request? {
    self.serving = nil
    let first = self.waiting.popFirst()
    // An idle connection holds no memory for what its client once asked.
    if self.waiting.isEmpty { self.waiting = Deque() }
    return first
  }
}

extension ByteBuffer {
  /// Appends the frame that answers a request.
  mutating func write(_ answer: RequestQueue.Answer) {
    switch answer {
    case .conversations(let id, let answer):
      self.writeConversations(id: id, items: answer.items, next: answer.next)
    case .history(let id, let answer):
      self.writeHistory(
        id: id, entries: answer.entries, next: answer.next, trimmed: answer.isTrimmed)
    }
  }
}
