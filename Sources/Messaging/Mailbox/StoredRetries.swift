import MessageBus

/// The messages that were stored lately and that their senders had marked as repeats, bounded.
///
/// The original of such a message may come after it: a gateway was paused, or Redis executed late
/// what it had not answered in time. Two generations, as in ``LastWrites``; only hashes, since one
/// that meets by chance costs a look-up and nothing else.
struct StoredRetries {
  private var young: Set<Int> = []
  private var old: Set<Int> = []
  private let generation: Int

  init(capacity: Int) {
    precondition(capacity >= 2)
    self.generation = capacity / 2
  }

  var isEmpty: Bool { self.young.isEmpty && self.old.isEmpty }

  /// Whether a repeat of this message may have been stored.
  func mayContain(_ item: MailboxWriter.Item) -> Bool {
    guard !self.isEmpty else { return false }
    let hash = Self.hash(of: item)
    return self.young.contains(hash) || self.old.contains(hash)
  }

  mutating func insert(_ item: MailboxWriter.Item) {
    if self.young.count >= self.generation {
      self.old = self.young
      self.young = []
    }
    self.young.insert(Self.hash(of: item))
  }

  private static func hash(of item: MailboxWriter.Item) -> Int {
    var hasher = Hasher()
    hasher.combine(item.recipient)
    item.envelope.bytes.withUnsafeBytes { raw in
      let sender = item.envelope.from(in: raw)
      hasher.combine(sender.count)
      hasher.combine(bytes: sender)
      hasher.combine(bytes: item.envelope.id(in: raw))
    }
    return hasher.finalize()
  }
}
