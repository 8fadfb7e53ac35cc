import ConnectProtocol
import MessageBus

/// The last offset, the length and the size of the mailboxes that were written last, bounded.
///
/// Two generations: when the young one is full it becomes the old one, and the old one is dropped. An
/// entry that is used moves to the young one. That is nearly as good as least-recently-used, without
/// a list.
struct LastWrites {
  struct Entry: Hashable {
    /// The last offset; zero if another writer may have added entries since.
    var offset: Offset
    var length: Int
    /// Time of the next look at the mailbox, in seconds of a monotonic clock.
    var nextLookSeconds = Int.min
    /// Length at which a look is due.
    var nextLookLength = Int.max
    /// What the mailbox takes of Redis, in bytes: what Redis said, and the entries written since. For
    /// a mailbox that Redis was not asked about, only the latter.
    var bytes = 0
    /// Whether Redis was asked, and no other writer has changed the mailbox since.
    var isMeasured = false

    /// The most entries that one trimming may remove: a look at all of them is bounded in bytes.
    var entriesPerTrim: Int {
      guard self.length > 0 else { return MessagingLimits.entriesPerTrim }
      return min(
        MessagingLimits.entriesPerTrim,
        max(
          MessagingLimits.fewestEntriesPerTrim,
          MessagingLimits.bytesPerTrim / max(1, self.bytes / self.length)))
    }

    /// Takes over a length other than the expected one: others have written or removed, it is not
    /// known how much. Until Redis is asked their entries count as of average size.
    mutating func correct(length: Int, expected: Int) {
      if expected > 0 {
        let bytes = Double(self.bytes) * Double(length) / Double(expected)
        self.bytes = Int(min(max(0, bytes), Double(Self.maximumBytes)))
      }
      self.length = length
      self.isMeasured = false
      self.nextLookSeconds = Int.min
    }

    /// More than Redis can hold, and safe to add to.
    static let maximumBytes = 1 << 50
  }

  private var young: [UserName: Entry] = [:]
  private var old: [UserName: Entry] = [:]
  private let generation: Int

  init(capacity: Int) {
    precondition(capacity >= 2)
    self.generation = capacity / 2
  }

  subscript(user: UserName) -> Entry? {
    get { self.young[user] ?? self.old[user] }
    set {
      guard let newValue else { return self.forget(user) }
      if self.young.count >= self.generation, self.young[user] == nil {
        self.old = self.young
        self.young = [:]
      }
      self.young[user] = newValue
    }
  }

  mutating func forget(_ user: UserName) {
    self.young[user] = nil
    self.old[user] = nil
  }
}
