import ConnectProtocol

/// Decides what is remembered of mailboxes: whether a push may name its predecessor, when a mailbox is
/// to be looked after, and when its expiry must be put off.
///
/// The record of a mailbox is true only if nobody else wrote to it since. The length tells: it has
/// grown or shrunk by exactly what was done here, or the top is forgotten.
///
/// Pure: no clock and no Redis. The writer asks Redis, and tells what came of it.
struct MailboxStateMachine {
  /// Work of a batch on a mailbox beside writing to it.
  struct Plan: Hashable {
    /// Nothing is known of the mailbox: its length is read before the write.
    var readsLength = true
    /// The mailbox's expiry is put off.
    var putsOffExpiry = true
  }

  /// Which mailboxes wait for a look, and when it comes.
  var trimming = TrimStateMachine()
  private var lastWrites: LastWrites
  private let limits: MailboxLimits

  init(limits: MailboxLimits, remembering mailboxes: Int) {
    self.limits = limits
    self.lastWrites = LastWrites(capacity: mailboxes)
  }

  /// Nil if nothing is known of the mailbox.
  subscript(user: UserName) -> KnownMailbox? { self.lastWrites[user] }

  func plan(for user: UserName, nowSeconds: Int) -> Plan {
    guard let mailbox = self.lastWrites[user] else { return Plan() }
    return Plan(
      readsLength: false, putsOffExpiry: mailbox.isExpiryDue(nowSeconds: nowSeconds))
  }

  /// Nil if nothing is known of the mailbox.
  func room(of user: UserName) -> MailboxRoom? {
    self.lastWrites[user].map {
      MailboxRoom(within: self.limits, length: $0.length, bytes: $0.bytes)
    }
  }

  /// A batch was written. Returns which predecessors its pushes may name.
  @discardableResult
  mutating func wrote(
    _ write: MailboxWrite, to user: UserName, nowSeconds: Int
  ) -> MailboxChain {
    let known = self.lastWrites[user]
    let lengthBefore = known?.length ?? write.lengthBefore
    let isUnbroken = write.last != .zero && lengthBefore == write.lengthAfter - write.entries
    var mailbox = known ?? KnownMailbox(length: write.lengthAfter - write.entries)
    mailbox.wrote(write, top: isUnbroken ? write.last : .zero)
    // One that finds the queue full comes to it with its next write.
    if mailbox.isLookDue(nowSeconds: nowSeconds), self.trimming.insert(user) {
      mailbox.queued(nowSeconds: nowSeconds, historyEntries: self.limits.historyEntries)
    }
    self.lastWrites.insert(mailbox, of: user)
    return isUnbroken ? .unbroken(top: known?.top ?? .zero) : .broken
  }

  /// A length was read apart from a write.
  mutating func counted(_ length: Int, of user: UserName) {
    self.change(user) { $0.counted(length) }
  }

  /// The memory use of a mailbox was read.
  mutating func measured(bytes: Int, of user: UserName) {
    self.change(user) { $0.measured(bytes: bytes) }
  }

  /// The trimming script has answered.
  ///
  /// - Parameters:
  ///   - maximum: how many entries it was to remove at most.
  ///   - isLook: whether it was called to look after the mailbox, and Redis is asked for the bytes, too.
  mutating func trimmed(_ user: UserName, _ trim: MailboxTrim, maximum: Int, isLook: Bool) {
    guard self.lastWrites[user] != nil else { return }
    let historyEntries = self.limits.historyEntries
    self.change(user) { $0.trimmed(trim, historyEntries: historyEntries) }
    // There may be more to remove than one call does. And Redis gains more than the bytes of entries.
    let isUnfinished = isLook ? trim.removed == maximum : trim.removed > 0
    if isUnfinished || trim.hasCrowd { _ = self.trimming.insert(user) }
  }

  private mutating func change(_ user: UserName, _ change: (inout KnownMailbox) -> Void) {
    guard var mailbox = self.lastWrites[user] else { return }
    change(&mailbox)
    self.lastWrites.insert(mailbox, of: user)
  }
}
