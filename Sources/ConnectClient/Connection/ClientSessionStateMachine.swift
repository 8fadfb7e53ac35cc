import ConnectProtocol

/// The life of one connection after the upgrade, as the client sees it: when it may speak, when the
/// server counts as dead, and why it ends.
///
/// Pure: it holds no socket and no clock.
struct ClientSessionStateMachine {
  enum State: Hashable {
    /// Upgraded, or still on the way there. May become any other.
    case opening
    /// Welcomed: frames go both ways. May become `.closing` or `.closed`.
    case open
    /// We sent a close and wait for the server's. May become `.closed`.
    case closing
    /// Final.
    case closed
  }

  private(set) var state = State.opening
  private(set) var reconnectAfterMilliseconds: Int?
  private var silentPeriods = 0
  /// Set by whatever ends the connection first.
  private var end: ConnectionEnd?

  /// Whether the client may send.
  var isOpen: Bool { self.state == .open }

  /// Something came from the server, whatever it is.
  mutating func heard() { self.silentPeriods = 0 }

  enum FrameAction: Hashable {
    /// For the layer above.
    case deliver
    /// Nobody needs it.
    case ignore
    /// Close with 1002: a server of this protocol does not do that.
    case fail(String)
  }

  /// A frame came.
  mutating func received(_ frame: ServerFrame) -> FrameAction {
    switch (self.state, frame) {
    case (.opening, .welcome):
      self.state = .open
      return .deliver
    case (.opening, .error), (.opening, .goodbye), (.opening, .unknown):
      // It may say why it is about to close, even before `welcome`.
      return self.noted(frame) ? .ignore : .deliver
    case (.opening, _): return .fail("the first frame was not welcome")
    case (.open, .welcome): return .fail("a second welcome")
    // With an offset it is an entry of the mailbox, and wants an ack.
    case (.open, .pong), (.open, .unknown(_, offset: nil)): return .ignore
    case (.open, .goodbye):
      _ = self.noted(frame)
      return .deliver
    case (.open, _): return .deliver
    // What the server sent before it read our close is still good.
    case (.closing, .message), (.closing, .accepted), (.closing, .rejected),
      (.closing, .sent), (.closing, .position), (.closing, .failed), (.closing, .live):
      return .deliver
    case (.closing, _), (.closed, _): return .ignore
    }
  }

  private mutating func noted(_ frame: ServerFrame) -> Bool {
    switch frame {
    case .goodbye(_, let milliseconds):
      self.reconnectAfterMilliseconds = milliseconds
      return true
    case .unknown: return true
    default: return false
    }
  }

  enum TimerAction: Hashable {
    /// Call `timerFired` again after a ping period.
    case wait
    /// Write a pong that nobody asked for, then as with `.wait`. While the app lets us read nothing,
    /// pings go unanswered, and this is what keeps the server from giving up.
    case pong
    /// End the socket without a close frame: nobody is there to read it.
    case abort
  }

  /// The deadline of the opening, a ping period, or the time for the server's close has passed.
  mutating func timerFired(isReading: Bool) -> TimerAction {
    switch self.state {
    case .opening:
      self.note(.timedOut)
      return .abort
    case .open:
      // Who does not listen cannot tell silence from speech.
      guard isReading else {
        self.silentPeriods = 0
        return .pong
      }
      guard self.silentPeriods < ConnectClientLimits.silentPeriods else {
        self.note(.silent)
        return .abort
      }
      self.silentPeriods += 1
      return .wait
    case .closing, .closed:
      return .abort
    }
  }

  enum CloseAction: Hashable {
    /// Write a close frame and wait for the server's.
    case writeClose
    /// End the socket: there is no WebSocket yet that a frame could go to.
    case abort
    case none
  }

  /// This end wants to close.
  mutating func close(_ end: ConnectionEnd = .closed) -> CloseAction {
    switch self.state {
    case .opening:
      self.note(end)
      return .abort
    case .open:
      self.note(end)
      self.state = .closing
      return .writeClose
    case .closing, .closed:
      return .none
    }
  }

  /// The server sent a close.
  ///
  /// - Returns: whether to answer it: not if it is the answer to ours.
  mutating func closeReceived(_ code: UInt16?, reason: String) -> Bool {
    self.note(.closedByServer(code.map(CloseCode.init(rawValue:)), reason: reason))
    defer { self.state = .closed }
    switch self.state {
    case .opening, .open: return true
    case .closing, .closed: return false
    }
  }

  /// Remembers why the connection ends, unless it ends already for another reason.
  mutating func note(_ end: ConnectionEnd) {
    if self.end == nil { self.end = end }
  }

  /// The socket is gone.
  ///
  /// - Returns: why.
  mutating func disconnected() -> ConnectionEnd {
    let wasOpening = self.state == .opening
    self.state = .closed
    return self.end
      ?? .lost(wasOpening ? "it ended before the server's welcome" : "no close frame came")
  }
}
