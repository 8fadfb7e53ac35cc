import ConnectProtocol

/// Who is typing: when the user's own typing is to be told, and which peers are typing still.
///
/// `typing` is told every four seconds and holds for six, so that one that is lost does not show.
/// Pure: times are nanoseconds of the caller's clock.
struct TypingStateMachine {
  /// When each peer was last told.
  private var told: [UserName: UInt64] = [:]
  /// Until when each peer counts as typing.
  private var typing: [UserName: UInt64] = [:]
  /// The message that came last: a signal may come behind the message that was being typed.
  private var lastMessage: (from: UserName, at: UInt64)?

  private static let repeatNanoseconds = ConnectClientLimits.typingRepeatMilliseconds * 1_000_000
  private static let holdNanoseconds = ConnectClientLimits.typingMilliseconds * 1_000_000

  // MARK: The user

  /// The user has pressed a key.
  ///
  /// - Returns: whether to tell the peer now.
  mutating func typed(to peer: UserName, now: UInt64) -> Bool {
    if let told = self.told[peer], now < told + Self.repeatNanoseconds { return false }
    if self.told.count >= ConnectClientLimits.typingPeers {
      self.told = self.told.filter { now < $0.value + Self.repeatNanoseconds }
      guard self.told.count < ConnectClientLimits.typingPeers else { return false }
    }
    self.told[peer] = now
    return true
  }

  /// The user has sent a message, which ends the typing at the peer's: the next key tells of it again.
  mutating func sent(to peer: UserName) {
    if !self.told.isEmpty { self.told[peer] = nil }
  }

  // MARK: Peers

  /// A peer says that it is typing.
  ///
  /// - Returns: whether it was not before.
  mutating func received(from peer: UserName, at: UInt64, now: UInt64) -> Bool {
    if let last = self.lastMessage, last.from == peer, at <= last.at { return false }
    let isNew = self.typing[peer] == nil
    guard !isNew || self.typing.count < ConnectClientLimits.typingPeers else { return false }
    self.typing[peer] = now + Self.holdNanoseconds
    return isNew
  }

  /// A message came.
  ///
  /// - Returns: whether its sender was typing.
  mutating func message(from peer: UserName, at: UInt64) -> Bool {
    self.lastMessage = (peer, at)
    return !self.typing.isEmpty && self.typing.removeValue(forKey: peer) != nil
  }

  /// The next time at which a peer may have stopped; nil if none is typing.
  var nextExpiry: UInt64? { self.typing.values.min() }

  /// Takes out the peers that have stopped.
  mutating func expire(now: UInt64) -> [UserName] {
    guard let next = self.nextExpiry, next <= now else { return [] }
    let stopped = self.typing.filter { $0.value <= now }.map(\.key)
    for peer in stopped { self.typing[peer] = nil }
    return stopped
  }

  /// A connection was welcomed: nobody has told a peer of it.
  mutating func connected() { self.told = [:] }
}
