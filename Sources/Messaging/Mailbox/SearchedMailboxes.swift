import ConnectProtocol
import MessageBus

/// Entries that were read of the mailboxes that were searched last for messages sent again,
/// bounded: so the next look-up reads newer entries only, and not the same ones again and again.
///
/// It says where a message may stand, never that it does: that is read, since Redis may have lost the
/// entry, or trimmed it. Two generations, as in ``LastWrites``.
struct SearchedMailboxes {
  struct Entry: Hashable {
    /// Hash of the sender and id; see ``Envelope/repeatHash``.
    let hash: Int
    let offset: Offset
  }

  /// Entries of one mailbox that were read, from the newest down, without a gap.
  struct Window: Hashable {
    var entries: [Entry]
    /// Whether it reaches the mailbox's oldest entry.
    var isWhole: Bool
  }

  private var young: [UserName: Window] = [:]
  private var old: [UserName: Window] = [:]
  private var youngEntries = 0
  private let generation: Int

  /// - Parameter capacity: Entries remembered, over all mailboxes.
  init(capacity: Int) {
    precondition(capacity >= 2)
    self.generation = capacity / 2
  }

  subscript(user: UserName) -> Window? { self.young[user] ?? self.old[user] }

  var entryCount: Int {
    self.youngEntries + self.old.values.reduce(0) { $0 + $1.entries.count }
  }

  /// Adopts what was read; entries beyond a generation's size are dropped.
  mutating func insert(_ window: Window, for user: UserName) {
    self.old[user] = nil
    if let former = self.young.removeValue(forKey: user) {
      self.youngEntries -= former.entries.count
    }
    guard !window.entries.isEmpty, window.entries.count <= self.generation else { return }
    if self.youngEntries + window.entries.count > self.generation {
      self.old = self.young
      self.young = [:]
      self.youngEntries = 0
    }
    self.young[user] = window
    self.youngEntries += window.entries.count
  }

  mutating func removeAll() {
    self.young = [:]
    self.old = [:]
    self.youngEntries = 0
  }
}

extension Envelope {
  /// Equal for two repeats of one message, and for a copy and the failure of its message; nearly always
  /// different for others.
  var repeatHash: Int {
    var hasher = Hasher()
    hasher.combine(self.kind == .failed ? .sent : self.kind)
    self.bytes.withUnsafeBytes { raw in
      let sender = self.from(in: raw)
      hasher.combine(sender.count)
      hasher.combine(bytes: sender)
      hasher.combine(bytes: self.id(in: raw))
    }
    return hasher.finalize()
  }
}
