import ConnectProtocol

/// The life of one connection after the upgrade: when it may speak, and why it ends.
///
/// Pure: it holds no socket and no clock. What the client is sent is ``DeliveryStateMachine``'s.
struct SessionStateMachine {
  enum State: Hashable {
    /// The session is being registered; what the client says waits. May become `.open`,
    /// `.closing` or `.closed`.
    case opening
    /// Frames are served. May become `.leaving`, `.closing` or `.closed`.
    case open
    /// We said goodbye. Frames but sends are served until the last answer to a send is there. May
    /// become `.closing` or `.closed`.
    case leaving
    /// We sent a close and wait for the client's. May become `.closed`.
    case closing
    /// The client has said its last: its close has come, and the end of the socket is awaited, or the
    /// socket is gone. Final.
    case closed
  }

  private(set) var state = State.opening
  // As small as they may be, since idle connections have them, too.
  private var badFrames: UInt8 = 0
  private var silentPeriods: UInt8 = 0
  private var sends: Int32 = 0

  /// Sends that the bus has not answered yet.
  var unansweredSends: Int { Int(self.sends) }

  /// Whether the connection is open, and no send is under way.
  var isIdle: Bool { self.state == .open && self.sends == 0 }

  /// The session was registered.
  ///
  /// - Returns: whether to say `welcome`; not if the connection has ended meanwhile.
  mutating func opened() -> Bool {
    guard case .opening = self.state else { return false }
    self.state = .open
    return true
  }

  /// Whether frames of the client are served.
  var isOpen: Bool { self.state == .open || self.state == .leaving }

  /// Whether sends are accepted, and messages delivered.
  var takesMessages: Bool { self.state == .open }

  /// Call it when anything came from the client.
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
    self.badFrames = 0
    return .ping
  }

  /// A frame made no sense.
  ///
  /// - Returns: whether it was one too many.
  mutating func badFrame() -> Bool {
    self.badFrames = max(self.badFrames, self.badFrames &+ 1)
    return self.badFrames > GatewayLimits.badFrames
  }

  mutating func sendPublished() { self.sends += 1 }

  /// The bus has answered a send, and the client was told.
  ///
  /// - Returns: whether this was the last answer that a leaving connection waited for.
  mutating func sendAnswered() -> Bool {
    self.sends -= 1
    return self.state == .leaving && self.sends == 0
  }

  enum LeaveAction: Hashable {
    /// Send a goodbye, and close when the sends are answered.
    case goodbyeAndWait
    /// Send a goodbye and close.
    case goodbyeAndClose
    case none
  }

  /// The connection is to go: the gateway stops and it is its turn, or the app's backend wants it.
  mutating func leave() -> LeaveAction {
    guard case .open = self.state else { return .none }
    self.state = .leaving
    return self.sends > 0 ? .goodbyeAndWait : .goodbyeAndClose
  }

  /// We want to close.
  ///
  /// - Returns: whether to send a close frame now.
  mutating func close() -> Bool {
    switch self.state {
    case .opening, .open, .leaving:
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
    case .opening, .open, .leaving: return true
    case .closing, .closed: return false
    }
  }

  mutating func disconnected() { self.state = .closed }
}
