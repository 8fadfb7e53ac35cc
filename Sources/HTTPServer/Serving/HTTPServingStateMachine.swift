/// The life of one connection: a request, its answer, the next request.
///
/// Pure: it holds no socket, no clock and no bytes.
struct HTTPServingStateMachine {
  enum State: Hashable {
    /// Nothing of a request has come. May become `.head`, `.collecting`, `.discarding`, `.writing`
    /// or `.closed`.
    case idle
    /// Bytes came, but not a whole head. May become what `.idle` may.
    case head
    /// Number of bytes of a body received. May become `.answering`, `.writing` or `.closed`.
    case collecting(Int)
    /// So many bytes of a body have come that nobody wants; it is refused at its end. May become
    /// `.writing` or `.closed`.
    case discarding(Int)
    /// The answer is being prepared. May become `.writing` or `.closed`.
    case answering
    /// The answer is being written. May become `.idle`, `.lingering` or `.closed`.
    case writing
    /// Our side is finished. Further input is dropped. May become `.closed`.
    case lingering
    /// Final.
    case closed
  }

  /// The parts of a request's head that decide how it is served.
  struct Head: Hashable {
    var hasBody = false
    /// The declared length of the body.
    var bodyBytes: Int?
    /// Whether the client waits for `100 Continue` before it sends the body.
    var expectsContinue = false
    var isLast = false
    var isRefused = false
  }

  enum Action: Hashable {
    case none
    case sendContinue
    case answer
    case refuse
    /// Write the answer to the fault.
    case fault(HTTPFault)
    /// End our side, and wait for the client to end its own.
    case finish
    case close
  }

  private(set) var state = State.idle
  private var isLast = false
  private var isStopping = false
  private let bodyBytes: Int

  /// - Parameter bodyBytes: The longest body.
  init(bodyBytes: Int) { self.bodyBytes = bodyBytes }

  /// Whether the present answer ends the connection.
  var endsConnection: Bool { self.isLast || self.isStopping }

  /// Whether input is processed; otherwise it waits, and nothing is read.
  var isReading: Bool {
    switch self.state {
    case .answering, .writing: false
    case .idle, .head, .collecting, .discarding, .lingering, .closed: true
    }
  }

  /// Call it when bytes came.
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

  /// Call it when the request is complete.
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

  /// Call it when the input is not a request.
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

  mutating func written() -> Action {
    guard self.state == .writing else { return .none }
    self.state = self.endsConnection ? .lingering : .idle
    return self.endsConnection ? .finish : .none
  }

  /// Call it when the deadline of the state has passed.
  mutating func timePassed() -> Action {
    switch self.state {
    case .head, .collecting, .discarding: self.lastWord(.fault(.tooSlow))
    case .answering: self.lastWord(.fault(.unanswered))
    case .idle, .writing, .lingering: self.end()
    case .closed: .none
    }
  }

  mutating func refuseConnection() -> Action { self.lastWord(.fault(.tooManyConnections)) }

  /// Call it when the server stops. A request that has begun is still answered.
  mutating func stop() -> Action {
    self.isStopping = true
    return self.state == .idle ? self.end() : .none
  }

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
