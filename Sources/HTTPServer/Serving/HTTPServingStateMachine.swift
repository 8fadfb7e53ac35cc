/// The life of one connection: a request, its answer, the next request.
///
/// Pure: it holds no socket, no clock and no bytes.
struct HTTPServingStateMachine {
  enum State: Hashable {
    /// Nothing of a request has come. May become `.head`, `.collecting`, `.discarding`, `.writing`
    /// or `.closed`.
    case idle
    /// Bytes have come, a whole head has not. May become the same.
    case head
    /// So many bytes of a body have come. May become `.answering`, `.writing` or `.closed`.
    case collecting(Int)
    /// So many bytes of a body have come that nobody wants; it is refused at its end. May become
    /// `.writing` or `.closed`.
    case discarding(Int)
    /// The answer is being found. May become `.writing` or `.closed`.
    case answering
    /// The answer is on its way. May become `.idle`, `.lingering` or `.closed`.
    case writing
    /// We have said all. What still comes is dropped. May become `.closed`.
    case lingering
    /// Final.
    case closed
  }

  /// What is known of a request by its head.
  struct Head: Hashable {
    /// Whether something follows the head.
    var hasBody = false
    /// How long that is said to be.
    var bodyBytes: Int?
    /// Whether the client waits for a word before it sends it.
    var expectsContinue = false
    /// Whether the connection ends with this request.
    var isLast = false
    /// Whether it is refused already.
    var isRefused = false
  }

  enum Action: Hashable {
    case none
    /// Tell the client to send the body.
    case sendContinue
    /// Find the answer.
    case answer
    /// Write the refusal.
    case refuse
    /// Write the answer to what went wrong.
    case fault(HTTPFault)
    /// End what we say, and wait for the client to end, too.
    case finish
    /// Close at once.
    case close
  }

  private(set) var state = State.idle
  private var isLast = false
  private var isStopping = false
  private let bodyBytes: Int

  /// - Parameter bodyBytes: how long a body may be.
  init(bodyBytes: Int) { self.bodyBytes = bodyBytes }

  /// Whether the answer that is written ends the connection.
  var endsConnection: Bool { self.isLast || self.isStopping }

  /// Whether what comes is taken; else it waits, and nothing is read.
  var isReading: Bool {
    switch self.state {
    case .answering, .writing: false
    case .idle, .head, .collecting, .discarding, .lingering, .closed: true
    }
  }

  /// Some bytes came.
  mutating func heard() {
    if self.state == .idle { self.state = .head }
  }

  mutating func headCame(_ head: Head) -> Action {
    guard self.state == .idle || self.state == .head else { return .none }
    self.isLast = head.isLast
    let isTooLarge = (head.bodyBytes ?? 0) > self.bodyBytes
    // Whether a client that waits for a word sends the body after another one is its own choice, so
    // that nothing behind it can be understood.
    if head.isRefused, head.hasBody, head.expectsContinue || isTooLarge {
      return self.lastWord(.refuse)
    }
    if isTooLarge { return self.lastWord(.fault(.bodyTooLarge)) }
    self.state = head.isRefused ? .discarding(0) : .collecting(0)
    return head.expectsContinue && head.hasBody ? .sendContinue : .none
  }

  /// A part of a body came.
  mutating func bodyCame(_ bytes: Int) -> Action {
    switch self.state {
    case .collecting(let before):
      guard before + bytes <= self.bodyBytes else { return self.lastWord(.fault(.bodyTooLarge)) }
      self.state = .collecting(before + bytes)
    case .discarding(let before):
      guard before + bytes <= self.bodyBytes else { return self.lastWord(.refuse) }
      self.state = .discarding(before + bytes)
    case .idle, .head, .answering, .writing, .lingering, .closed:
      break
    }
    return .none
  }

  /// The request is there as a whole.
  mutating func endCame() -> Action {
    switch self.state {
    case .collecting:
      self.state = .answering
      return .answer
    case .discarding:
      self.state = .writing
      return .refuse
    case .idle, .head, .answering, .writing, .lingering, .closed:
      return .none
    }
  }

  /// What came is no request.
  mutating func failed(_ fault: HTTPFault) -> Action {
    switch self.state {
    case .idle, .head, .collecting, .discarding: self.lastWord(.fault(fault))
    case .answering, .writing: self.end()
    case .lingering, .closed: .none
    }
  }

  /// The answer was found.
  ///
  /// - Returns: whether to write it.
  mutating func found() -> Bool {
    guard self.state == .answering else { return false }
    self.state = .writing
    return true
  }

  /// The answer lies in the socket.
  mutating func written() -> Action {
    guard self.state == .writing else { return .none }
    self.state = self.endsConnection ? .lingering : .idle
    return self.endsConnection ? .finish : .none
  }

  /// The time for what the state waits for is over.
  mutating func timePassed() -> Action {
    switch self.state {
    case .head, .collecting, .discarding: self.lastWord(.fault(.tooSlow))
    case .answering: self.lastWord(.fault(.unanswered))
    case .idle, .writing, .lingering: self.end()
    case .closed: .none
    }
  }

  /// The server has no room for this connection.
  mutating func refuseConnection() -> Action { self.lastWord(.fault(.tooManyConnections)) }

  /// The server stops. A request that has begun is still answered.
  mutating func stop() -> Action {
    self.isStopping = true
    return self.state == .idle ? self.end() : .none
  }

  /// The connection is gone.
  mutating func disconnected() { self.state = .closed }

  private mutating func lastWord(_ action: Action) -> Action {
    self.state = .writing
    self.isLast = true
    return action
  }

  private mutating func end() -> Action {
    self.state = .closed
    return .close
  }
}
