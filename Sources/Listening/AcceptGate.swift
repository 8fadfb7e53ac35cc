/// Decides whether a port accepts connections.
///
/// It stops when its sockets are as many as may be, or when the system refuses more, and looks again
/// whenever one of them closes, and after a time.
struct AcceptGate {
  /// Whether one more socket may be open.
  enum Room: Equatable {
    /// No, and why not.
    case none(Cause)
    /// There is room, but not much.
    case scarce
    case plenty
  }

  /// Why nothing is accepted.
  enum Cause: String {
    /// The port has all the sockets that it may have.
    case sockets
    /// The process has no spare descriptors.
    case descriptors
    /// The system refused another socket.
    case system
  }

  /// Reported to operators.
  enum Event: Equatable {
    case paused(Cause)
    /// Ends the pause that began with `paused`, whatever its causes were meanwhile.
    case resumed
  }

  /// The next step.
  struct Decision: Equatable {
    var accepts: Bool
    /// Milliseconds until the next check, which is at random a little earlier; nil for none.
    var wait: Int64?
    var event: Event?
  }

  private enum State {
    /// Accepts. Becomes `held`.
    case open
    /// Accepts nothing for this time, in milliseconds. Becomes `trying`.
    case held(Int64)
    /// Accepts, after having waited so long in vain. Becomes `held` when there is no room again, and
    /// `open` when there is plenty.
    case trying(Int64)
  }

  private var state = State.open

  /// Whether nothing is accepted.
  var isHeld: Bool { if case .held = self.state { true } else { false } }

  /// A connection was accepted.
  ///
  /// - Returns: nil: go on as before.
  mutating func accepted(_ room: Room) -> Decision? {
    guard case .none(let cause) = room, !self.isHeld else { return nil }
    return self.hold(cause)
  }

  /// Call it when the system refused a socket.
  mutating func failed() -> Decision? { self.isHeld ? nil : self.hold(.system) }

  /// Call it when the wait is over, or when a socket was closed during it.
  mutating func looked(_ room: Room) -> Decision {
    switch (self.state, room) {
    case (.open, _):
      return Decision(accepts: true)
    case (.held(let wait), .none), (.trying(let wait), .none):
      let longer = min(2 * wait, ListeningLimits.longestWaitMilliseconds)
      self.state = .held(longer)
      return Decision(accepts: false, wait: longer)
    case (.held(let wait), _):
      self.state = .trying(wait)
      return Decision(accepts: true, wait: ListeningLimits.longestWaitMilliseconds)
    case (.trying, .scarce):
      return Decision(accepts: true, wait: ListeningLimits.longestWaitMilliseconds)
    case (.trying, .plenty):
      self.state = .open
      return Decision(accepts: true, event: .resumed)
    }
  }

  private mutating func hold(_ cause: Cause) -> Decision {
    guard case .trying(let before) = self.state else {
      let wait = ListeningLimits.firstWaitMilliseconds
      self.state = .held(wait)
      return Decision(accepts: false, wait: wait, event: .paused(cause))
    }
    let wait = min(2 * before, ListeningLimits.longestWaitMilliseconds)
    self.state = .held(wait)
    return Decision(accepts: false, wait: wait)
  }
}
