import ConnectProtocol

/// The life of one connection after the upgrade: when it may speak, and why it ends.
///
/// Pure: it holds no socket and no clock. What the client is sent is ``DeliveryStateMachine``'s.
struct SessionStateMachine {
  enum State: Hashable {
    /// The session is being registered; what the client says waits. May become any other.
    case opening
    /// Frames are served. May become `.closing` or `.closed`.
    case open
    /// We sent a close and wait for the client's. May become `.closed`.
    case closing
    /// Final.
    case closed
  }

  private(set) var state = State.opening
  private var badFrames = 0
  private var silentPeriods = 0

  /// The session was registered.
  ///
  /// - Returns: whether to say `welcome`; not if the connection has ended meanwhile.
  mutating func opened() -> Bool {
    guard case .opening = self.state else { return false }
    self.state = .open
    return true
  }

  /// Whether frames of the client are served.
  var isOpen: Bool { self.state == .open }

  /// Something came from the client.
  mutating func heard() { self.silentPeriods = 0 }

  enum PeriodAction: Hashable {
    case ping
    case close(CloseCode)
    case none
  }

  /// A ping period has passed.
  ///
  /// - Parameter tokenHasExpired: the token that the connection was opened with is no longer valid.
  mutating func periodPassed(tokenHasExpired: Bool) -> PeriodAction {
    guard case .open = self.state else { return .none }
    if tokenHasExpired { return .close(.tokenExpired) }
    if self.silentPeriods >= 2 { return .close(.noPong) }
    self.silentPeriods += 1
    return .ping
  }

  /// A frame made no sense.
  ///
  /// - Returns: whether it was one too many.
  mutating func badFrame() -> Bool {
    self.badFrames += 1
    return self.badFrames > GatewayLimits.badFrames
  }

  /// We want to close.
  ///
  /// - Returns: whether to send a close frame now.
  mutating func close() -> Bool {
    switch self.state {
    case .opening, .open:
      self.state = .closing
      return true
    case .closing, .closed:
      return false
    }
  }

  /// The client sent a close.
  ///
  /// - Returns: whether to answer it: not if it is the answer to ours.
  mutating func closeReceived() -> Bool {
    defer { self.state = .closed }
    switch self.state {
    case .opening, .open: return true
    case .closing, .closed: return false
    }
  }

  /// The socket is gone.
  mutating func disconnected() { self.state = .closed }
}
