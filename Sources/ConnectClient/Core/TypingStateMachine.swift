import ConnectProtocol

/// Who is typing: when the user's own typing is to be told, and which peers are typing still.
///
/// `typing` is told every four seconds and holds for six, so that one that is lost does not show.
/// Pure: times are nanoseconds of the caller's clock.
struct TypingStateMachine {
  /// When each peer was last told.
  private var told: [UserName: UInt64] = [:]
  /// Until when each peer counts as typing, and the server's time of its last signal.
  private var typing: [UserName: (until: UInt64, at: UInt64)] = [:]
  /// The server's time of each peer's last message, of the latest: a signal may come behind the message
  /// that was being typed.
  private var messages: [UserName: UInt64] = [:]

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
    if let last = self.messages[peer], at <= last { return false }
    let before = self.typing[peer]
    guard before != nil || self.typing.count < ConnectClientLimits.typingPeers else { return false }
    self.typing[peer] = (now + Self.holdNanoseconds, max(at, before?.at ?? 0))
    return before == nil
  }

  /// A message came. One from before the typing, as a replay brings it, does not end it.
  ///
  /// - Returns: whether its sender was typing.
  mutating func message(from peer: UserName, at: UInt64) -> Bool {
    self.remember(peer, at)
    guard let typing = self.typing[peer], typing.at <= at else { return false }
    self.typing[peer] = nil
    return true
  }

  private mutating func remember(_ peer: UserName, _ at: UInt64) {
    if let last = self.messages[peer] {
      self.messages[peer] = max(last, at)
      return
    }
    if self.messages.count >= ConnectClientLimits.typingPeers,
      let oldest = self.messages.min(by: { $0.value < $1.value })
    {
      guard oldest.value < at else { return }
      self.messages[oldest.key] = nil
    }
    self.messages[peer] = at
  }

  /// The next time at which a peer may have stopped; nil if none is typing.
  var nextExpiry: UInt64? { self.typing.values.lazy.map(\.until).min() }

  /// Takes out the peers that have stopped.
  mutating func expire(now: UInt64) -> [UserName] {
    guard let next = self.nextExpiry, next <= now else { return [] }
    let stopped = self.typing.filter { $0.value.until <= now }.map(\.key)
    for peer in stopped { self.typing[peer] = nil }
    return stopped
  }

  /// A connection was welcomed: nobody has told a peer of it.
  mutating func connected() { self.told = [:] }
}
