import ConnectProtocol

/// Decides when mailboxes are looked after: some time after a batch has queued one, between two batches,
/// never during one. Then what is remembered changes in the order in which Redis was asked, and no
/// chain breaks for nothing.
///
/// Pure: the writer runs the timer and the script, and tells when they are done.
struct TrimStateMachine {
  enum Phase: Hashable {
    /// Nothing is under way. May become `.scheduled` when a batch ends, or `.stopped`.
    case idle
    /// The timer runs. May become `.underWay`, or `.due` if it fires during a batch, or `.stopped`.
    case scheduled
    /// The timer has fired during a batch. Becomes `.underWay` when that ends, or `.stopped`.
    case due
    /// Mailboxes are being looked after. May become `.scheduled` if others wait, else `.idle`, or
    /// `.stopped`.
    case underWay
    /// Nothing is begun any more. The last phase.
    case stopped
  }

  enum Action: Hashable {
    /// Call `timerFired` after ``MessagingLimits/trimMilliseconds``.
    case schedule
    /// Look after these mailboxes, then call `trimEnded`.
    case trim([UserName])
  }

  private(set) var phase = Phase.idle
  private(set) var queue = TrimQueue(capacity: MessagingLimits.mailboxesToTrim)
  /// Whether a batch is under way.
  private(set) var isStoring = false

  /// Queues a mailbox, during a batch or a look.
  ///
  /// - Returns: whether the mailbox is in the queue now.
  mutating func insert(_ user: UserName) -> Bool {
    self.phase != .stopped && self.queue.insert(user)
  }

  mutating func batchBegan() { self.isStoring = true }

  mutating func batchEnded() -> Action? {
    self.isStoring = false
    switch self.phase {
    case .idle: return self.scheduleIfNeeded()
    case .due: return self.trim()
    case .scheduled, .underWay, .stopped: return nil
    }
  }

  mutating func timerFired() -> Action? {
    guard self.phase == .scheduled else { return nil }
    if self.isStoring {
      self.phase = .due
      return nil
    }
    return self.trim()
  }

  mutating func trimEnded() -> Action? {
    guard self.phase == .underWay else { return nil }
    self.phase = .idle
    return self.scheduleIfNeeded()
  }

  /// The writer cancels the timer.
  mutating func stop() {
    self.phase = .stopped
    self.queue.removeAll()
  }

  private mutating func scheduleIfNeeded() -> Action? {
    guard !self.queue.isEmpty else { return nil }
    self.phase = .scheduled
    return .schedule
  }

  private mutating func trim() -> Action {
    self.phase = .underWay
    return .trim(self.queue.next(MessagingLimits.mailboxesPerTrim))
  }
}
