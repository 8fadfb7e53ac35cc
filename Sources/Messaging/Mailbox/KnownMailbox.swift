import ConnectProtocol

/// A mailbox as its writer knows it, and what follows from that: which top is certain, when it is
/// due for a look, and how much of it one trimming may remove.
struct KnownMailbox: Hashable {
  /// The last offset; zero if another writer may have added entries since.
  private(set) var top = Offset.zero
  private(set) var length: Int
  /// Memory of the mailbox in Redis, in bytes: what Redis said, and the entries written since. For
  /// a mailbox that Redis was not asked about, only the latter.
  private(set) var bytes = 0
  /// Whether Redis was asked, and no other writer has changed the mailbox since.
  private(set) var isMeasured = false
  /// Time of the next look at the mailbox, in seconds of a monotonic clock.
  private var nextLookSeconds = Int.min
  /// Length at which a look is due.
  private var nextLookLength = Int.max

  /// A mailbox of which only its length is known.
  init(length: Int) { self.length = length }

  /// More than Redis can hold, and safe to add to.
  static let maximumBytes = 1 << 50

  /// Whether it is long enough since the mailbox was looked after, so that its expiry must be put
  /// off with the next write: the look itself comes later, and not at all if this owner stops before.
  func isExpiryDue(nowSeconds: Int) -> Bool { nowSeconds >= self.nextLookSeconds }

  /// Whether the mailbox is to be looked after: for the first time, after a day, or since it has grown
  /// by a step beyond its history.
  func isLookDue(nowSeconds: Int) -> Bool {
    nowSeconds >= self.nextLookSeconds || self.length >= self.nextLookLength
  }

  /// The most entries that one trimming may remove: a look at all of them is bounded in bytes.
  var entriesPerTrim: Int {
    guard self.length > 0 else { return MessagingLimits.entriesPerTrim }
    return min(
      MessagingLimits.entriesPerTrim,
      max(
        MessagingLimits.fewestEntriesPerTrim,
        MessagingLimits.bytesPerTrim / max(1, self.bytes / self.length)))
  }

  /// Takes over a write.
  ///
  /// - Parameter top: the last offset; zero when another may have been written since.
  mutating func wrote(_ write: MailboxWrite, top: Offset) {
    self.top = top
    self.bytes += write.bytes
    self.adopt(length: write.lengthAfter, expected: self.length + write.entries)
  }

  /// Takes over what the trimming script did. The top is as it was, unless the length says that another
  /// one wrote, too.
  mutating func trimmed(_ trim: MailboxTrim, historyEntries: Int) {
    self.bytes = max(0, self.bytes - trim.removedBytes)
    self.adopt(length: trim.length, expected: self.length - trim.removed)
    self.setNextLookLength(historyEntries: historyEntries)
  }

  /// Takes over a length that was read apart from a write.
  mutating func counted(_ length: Int) { self.adopt(length: length, expected: self.length) }

  /// Takes over the memory use that Redis reports.
  mutating func measured(bytes: Int) {
    self.bytes = bytes
    self.isMeasured = true
  }

  /// Its look is queued: the next one is due after a day or a step of growth.
  mutating func queued(nowSeconds: Int, historyEntries: Int) {
    self.nextLookSeconds = nowSeconds + MessagingLimits.mailboxLookSeconds
    self.setNextLookLength(historyEntries: historyEntries)
  }

  private mutating func setNextLookLength(historyEntries: Int) {
    self.nextLookLength = max(self.length, historyEntries) + MessagingLimits.mailboxLookEntries
  }

  /// A length other than the expected one: others have written or removed, it is not known how much.
  /// Until Redis is asked their entries count as of average size.
  private mutating func adopt(length: Int, expected: Int) {
    if length != expected {
      if expected > 0 {
        let bytes = Double(self.bytes) * Double(length) / Double(expected)
        self.bytes = Int(min(max(0, bytes), Double(Self.maximumBytes)))
      }
      self.top = .zero
      self.isMeasured = false
      self.nextLookSeconds = Int.min
    }
    self.length = length
  }
}
