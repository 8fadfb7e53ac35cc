import ConnectProtocol
import MessageBus

/// Decides what Redis is told of one connection: how far its device has acked (the cursor), and
/// that the device is connected here (the session in the registry).
///
/// The cursor is stored late, once for many acks, and the session leaves the registry behind its last
/// store: whoever erases the user takes the removal for the end of all that is stored.
///
/// Pure: times are seconds since 1970 of the caller's clock.
struct RegistrationStateMachine {
  enum State: Hashable {
    /// The registry names the session, as far as is known. May become `.lost`, `.closed` or `.removed`.
    case entered
    /// The registry lost the sessions of this gateway, and this one is to be entered again. May become
    /// `.entered`, `.closed` or `.removed`.
    case lost
    /// The socket is closed, and positions are under way that may let the cursor move. May become
    /// `.removed`.
    case closed
    /// The session is to be removed behind the last store of the cursor. Final.
    case removed
  }

  private enum Cursor {
    /// Not read from Redis yet: none may be stored.
    ///
    /// - Parameter since: the offset from which the client wants messages, if it named one.
    case unknown(since: Offset?)
    /// The cursor in Redis, if the stores under way succeed: the offset, and when the device was
    /// last recorded as seen.
    case known(Offset, seen: Double)
  }

  /// Actions for the caller, to be carried out in this order.
  struct Actions: OptionSet, Hashable {
    let rawValue: UInt8

    /// Ask ``store(safe:now:)`` within a second, once.
    static let queueStore = Actions(rawValue: 1)
    /// Ask all that are queued at the end of this turn of the loop.
    static let hurryStore = Actions(rawValue: 2)
    /// Remove the session at the end of this turn, behind what is stored then.
    static let remove = Actions(rawValue: 4)
    /// Remove the session at once, behind what was stored so far.
    static let removeNow = Actions(rawValue: 8)
  }

  private(set) var state = State.entered
  private var cursor: Cursor
  private var isErased = false
  /// Whether the session is to be removed for an erasure, as soon as nothing is under way.
  private var awaitsRemoval = false
  private var isQueued = false

  init(since: Offset?) { self.cursor = .unknown(since: since) }

  private var isClosed: Bool { self.state == .closed || self.state == .removed }

  // MARK: Entering

  /// Where a connection begins.
  struct Start: Hashable {
    /// Messages are sent from behind this offset.
    var offset: Offset
    /// The cursor.
    var acked: Offset
    /// The senders of all messages up to here were told.
    var told: Offset
    /// When Redis last recorded the device as seen; 0 if it does not say.
    var seen: Double
    /// Whether the client may miss messages.
    var hasGap: Bool
    /// Whether the cursor that was stored is given up.
    var isReset: Bool
    /// Whether what was noted of senders is given up.
    var isNoteReset: Bool
    /// Whether Redis did not know the device before the registration, which has introduced it.
    var isIntroduced = false
  }

  /// Whether the client says where it is, so that the top of the mailbox is to be known.
  var namesOffset: Bool {
    if case .unknown(since: .some) = self.cursor { true } else { false }
  }

  /// Redis has answered to the registration, or will not.
  ///
  /// - Returns: what to do if the connection has ended meanwhile. Its name may have been entered behind
  ///   the removal.
  func answered() -> Actions { self.isClosed ? .removeNow : [] }

  /// Whether the mailbox can have what Redis says, if nothing in it is above `limit`.
  ///
  /// - Parameter noted: the senders of all up to there were told, as somebody noted.
  func isPlausible(
    _ position: Cursors.Position, noted: Offset? = nil, below limit: Offset
  ) -> Bool {
    max(position.acked, noted ?? .zero) <= limit
  }

  /// Where the connection begins. What lies above `limit` is from another life of Redis, and begins
  /// again.
  ///
  /// A client that says where it is begins there, wherever Redis thought it was, but not above the top of
  /// its mailbox: so it is never taken to have handled what comes.
  ///
  /// - Parameters:
  ///   - noted: the senders of all up to there were told, as somebody noted. Those of all up to the
  ///     cursor were in any case: it is stored behind them, and releases before 0.4 noted nothing.
  ///   - top: that of the mailbox, if the client says where it is.
  func start(
    at position: Cursors.Position, noted: Offset? = nil, below limit: Offset, top: Offset? = nil
  ) -> Start {
    var since: Offset?
    if case .unknown(let named) = self.cursor { since = named }
    let isReset = position.acked > limit
    let isNoteReset = noted.map { $0 > limit } ?? false
    let beginsAgain = since.map { $0 > limit } ?? isReset
    let position = isReset ? position.begunAgain : position
    let offset = since.map { min($0, top ?? $0) } ?? position.acked
    return Start(
      offset: beginsAgain ? .zero : offset, acked: position.acked,
      told: max(isNoteReset ? .zero : noted ?? .zero, position.acked),
      seen: Double(position.seenSeconds ?? 0), hasGap: position.hasGap || beginsAgain,
      isReset: isReset, isNoteReset: isNoteReset,
      isIntroduced: !isReset && position.seenSeconds == nil)
  }

  /// The client is welcomed.
  ///
  /// Trimming is held back only for devices that were seen. One that was just introduced was seen with
  /// that; another is stored, but later, since the client waits.
  mutating func opened(at start: Start, now: Double) -> Actions {
    self.cursor = .known(start.acked, seen: start.isIntroduced ? now : start.seen)
    return self.periodPassed(now: now)
  }

  // MARK: The cursor

  /// A store of the cursor, to be told with its outcome.
  struct Store: Hashable {
    let offset: Offset
    /// The cursor that Redis has if this one fails.
    let before: Offset
  }

  /// A ping period has passed.
  mutating func periodPassed(now: Double) -> Actions {
    self.wasSeenLately(now) ? [] : self.storeIsDue()
  }

  /// An ack came, or the bus has answered to positions.
  ///
  /// - Parameters:
  ///   - safe: the cursor may be stored up to this offset.
  ///   - underWay: number of positions that may still let it move.
  mutating func moved(to safe: Offset, underWay: Int) -> Actions {
    var actions: Actions = []
    if case .known(let stored, _) = self.cursor, safe > stored { actions = self.storeIsDue() }
    return actions.union(self.removeIfSettled(underWay))
  }

  /// The store that was queued.
  ///
  /// - Returns: nil if there is nothing to store, or if nothing may be stored.
  mutating func store(safe: Offset, now: Double) -> Store? {
    self.isQueued = false
    guard !self.isErased, case .known(let before, _) = self.cursor else { return nil }
    let offset = max(safe, before)
    // At the end it is stored anyway: from then on the device counts as not seen.
    guard offset > before || self.isClosed || !self.wasSeenLately(now) else { return nil }
    self.cursor = .known(offset, seen: now)
    return Store(offset: offset, before: before)
  }

  /// Redis did not take a store, as far as is known.
  mutating func storeFailed(_ store: Store) -> Actions {
    guard case .known(let offset, _) = self.cursor else { return [] }
    self.cursor = .known(min(offset, store.before), seen: 0)
    return self.isClosed ? [] : self.storeIsDue()
  }

  private func wasSeenLately(_ now: Double) -> Bool {
    guard case .known(_, let seen) = self.cursor else { return false }
    return now - seen <= GatewayLimits.seenSeconds
  }

  private mutating func storeIsDue() -> Actions {
    guard !self.isErased, case .known = self.cursor else { return [] }
    let queue: Actions = self.isQueued ? [] : .queueStore
    self.isQueued = true
    return self.isClosed ? queue.union(.hurryStore) : queue
  }

  // MARK: The session

  /// Messaging took this gateway for dead, and forgot its sessions: this one is to be renewed.
  mutating func lost() {
    if case .entered = self.state { self.state = .lost }
  }

  /// Whether the session may be entered again where the registry names nobody.
  var mayRenew: Bool { !self.isErased && !self.isClosed }

  /// The holder of the device, as the registry names it.
  enum Holder: Hashable {
    case us
    /// A connection that is newer than we are.
    case another
    case nobody
    /// Redis did not say.
    case unknown
  }

  enum CheckAction: Hashable {
    /// Read the mailbox if it has something new: what came meanwhile was pushed to us.
    case none
    /// Read the mailbox, since pushes may have gone nowhere.
    case checkMailbox
    /// Read the mailbox, and check again within a second: this loop's client may reach Redis later than the
    /// one that found the registry lost.
    case checkMailboxAndRetry
    /// Check again, and enter the session.
    case enter
    /// Close: the newer connection replaces this one.
    case yield
  }

  /// The registry was asked who holds the device.
  ///
  /// - Parameter entersIfMissing: whether the session was entered where there was none. It is while the
  ///   state is `.lost`.
  mutating func checked(_ holder: Holder, entersIfMissing: Bool) -> CheckAction {
    switch (holder, entersIfMissing) {
    case (.unknown, _), (.nobody, true):
      return self.state == .lost ? .checkMailboxAndRetry : .checkMailbox
    case (.another, _):
      if case .lost = self.state { self.state = .entered }
      return .yield
    case (.us, true):
      if case .lost = self.state { self.state = .entered }
      return .checkMailbox
    case (.us, false):
      // It may be lost since: then it is about to be entered.
      return .none
    case (.nobody, false):
      guard case .entered = self.state else { return .none }
      self.state = .lost
      return .enter
    }
  }

  /// The user is erased: nothing more is stored, and nothing entered.
  ///
  /// - Parameter underWay: number of positions that may still be told or stored: the session stays until
  ///   then.
  mutating func erased(underWay: Int) -> Actions {
    self.isErased = true
    self.awaitsRemoval = true
    return self.removeIfSettled(underWay)
  }

  /// The socket is closed.
  ///
  /// - Parameter underWay: number of positions that may still let the cursor move.
  mutating func closed(underWay: Int) -> Actions {
    guard !self.isClosed else { return [] }
    self.state = .closed
    return self.storeIsDue().union(self.removeIfSettled(underWay))
  }

  private mutating func removeIfSettled(_ underWay: Int) -> Actions {
    guard underWay == 0 else { return [] }
    var actions: Actions = []
    if self.awaitsRemoval {
      self.awaitsRemoval = false
      actions.insert(.removeNow)
    }
    if case .closed = self.state {
      self.state = .removed
      actions.insert(.remove)
    }
    return actions
  }
}
