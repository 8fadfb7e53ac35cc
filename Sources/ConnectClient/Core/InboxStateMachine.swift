import ConnectProtocol

/// Tracks which messages of the mailbox have come and are handled: drops repeats, and says when to
/// ack.
///
/// Acks are cumulative, so what is not passed on is acked with what stands around it: at once if the
/// app has handled all before, else when it has.
///
/// Lives as long as the client, across connections. Pure: times are nanoseconds of the caller's
/// clock.
struct InboxStateMachine {
  /// The last offset that was passed on.
  private var passedOn: Offset?
  /// All up to here are handled by the app.
  private(set) var handled = Offset.zero
  private var recent = RecentMessages()
  /// Messages of the user that failed, by recipient and id, and of which no copy has come since.
  private var failures = RecentMessages()

  // Of the present connection:
  private var received = Offset.zero
  private var acked = Offset.zero
  private var lastAck: UInt64?
  /// How many the app has handled since the last ack.
  private var unreported = 0
  private var window = 1
  private var isConnected = false

  /// A connection was welcomed; replay starts after `offset`.
  ///
  /// It may begin before what was asked for, or, with a gap, at zero, though much was passed on. Then it is
  /// the mailbox of another Redis, of one with another clock, or of one that lost its end: what comes is
  /// new, at offsets that may be below those that were seen.
  ///
  /// - Parameters:
  ///   - asked: where replay was asked to start; nil for the server's own cursor.
  ///   - hasGap: what the device had not acked is gone from the mailbox.
  mutating func connected(
    after offset: Offset, asked: Offset? = nil, hasGap: Bool = false, window: Int
  ) {
    if offset < asked ?? .zero || hasGap && offset == .zero {
      self.passedOn = nil
      self.handled = .zero
    }
    self.isConnected = true
    self.received = offset
    self.acked = offset
    self.lastAck = nil
    self.unreported = 0
    self.window = max(1, window)
  }

  /// The connection is gone.
  mutating func disconnected() { self.isConnected = false }

  /// An entry of the mailbox came that is not a message.
  ///
  /// - Returns: whether to pass it on: not if it was before.
  mutating func receive(_ offset: Offset) -> Bool {
    self.received = max(self.received, offset)
    if let passedOn = self.passedOn, offset <= passedOn {
      self.unreported += 1
      return false
    }
    self.passedOn = offset
    return true
  }

  /// A message came.
  ///
  /// - Returns: whether to pass it on: not if it was before, under this offset or another.
  mutating func receive(_ offset: Offset, from: UserName, id: MessageID) -> Bool {
    if let passedOn = self.passedOn, offset <= passedOn { return self.receive(offset) }
    guard self.recent.insert(from: from, id: id) else {
      self.skip(offset)
      return false
    }
    return self.receive(offset)
  }

  /// The user is told that a message failed.
  ///
  /// - Returns: whether to pass it on: not if it was before.
  mutating func receive(_ offset: Offset, failureOf id: MessageID, to peer: UserName) -> Bool {
    guard self.receive(offset) else { return false }
    _ = self.failures.insert(from: peer, id: id)
    return true
  }

  /// A copy of a message came. Behind the failure of that message it revokes this, and is passed on even
  /// if it was before.
  ///
  /// - Returns: as for a message.
  mutating func receive(
    _ offset: Offset, to peer: UserName, id: MessageID, at peerOffset: Offset
  ) -> Bool {
    if let passedOn = self.passedOn, offset <= passedOn { return self.receive(offset) }
    let isRevocation = self.failures.remove(from: peer, id: id)
    guard self.recent.insert(to: peer, id: id, at: peerOffset) || isRevocation else {
      self.skip(offset)
      return false
    }
    return self.receive(offset)
  }

  /// Something of the mailbox came that nobody is told of. It is acked like all else: the server
  /// keeps what is not acked, and sends only so much ahead of the acks.
  mutating func skip(_ offset: Offset) {
    self.received = max(self.received, offset)
    self.unreported += 1
  }

  /// The app has handled all up to `offset`.
  ///
  /// - Parameter count: how many these are, about.
  mutating func handle(through offset: Offset, count: Int = 1) {
    // Of a mailbox that was given up since: it says nothing of the present one.
    guard offset <= self.passedOn ?? .zero else { return }
    self.handled = max(self.handled, offset)
    self.unreported += count
  }

  enum AckAction: Hashable {
    case none
    /// Ask again at this time.
    case wait(until: UInt64)
    /// Write this ack now.
    case write(Offset)
  }

  /// The ack that is due. The first after a while is due at once, further ones a little later, so
  /// that one stands for many.
  ///
  /// - Parameter isFinal: nothing further will be handled on this connection.
  mutating func nextAck(now: UInt64, isFinal: Bool = false) -> AckAction {
    // What this connection has not brought is not its to ack: the server would not know it. A
    // repeat of what an earlier one brought comes, is dropped, and is acked then.
    let hasAll = self.handled >= self.passedOn ?? .zero
    let target = hasAll ? self.received : min(self.handled, self.received)
    guard self.isConnected, target > self.acked else { return .none }
    let windowPart = max(1, self.window / ConnectClientLimits.ackWindowParts)
    if !isFinal, let lastAck = self.lastAck, self.unreported < windowPart {
      let due = lastAck + ConnectClientLimits.ackMilliseconds * 1_000_000
      if now < due { return .wait(until: due) }
    }
    self.acked = target
    self.lastAck = now
    self.unreported = 0
    return .write(target)
  }
}
