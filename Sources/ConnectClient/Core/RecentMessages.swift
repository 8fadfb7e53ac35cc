import ConnectProtocol

/// Which messages were told lately, by sender and id: a repeat of one that stands in the mailbox under
/// a second offset is recognised.
///
/// That happens when a gateway or Redis stalls so long that a message's original is executed after
/// its repeat. Both then have an offset of their own, and only sender and id say that they are one.
///
/// Bounded: two generations, of which the older is forgotten when the younger is full. It holds
/// hashes, not names: 64 bits, keyed at random for each process, so nobody can make two messages meet,
/// and by chance two of those remembered do with a probability of 2 to the -52 per message. Pure.
struct RecentMessages {
  private let limit: Int
  private var young: Set<Int> = []
  private var old: Set<Int> = []

  /// - Parameter limit: how many are remembered at most, and half as many at least.
  init(limit: Int = ConnectClientLimits.rememberedMessages) {
    precondition(limit >= 2)
    self.limit = limit
  }

  /// How many are remembered.
  var count: Int { self.young.count + self.old.count }

  /// Remembers a message.
  ///
  /// - Returns: whether it is new.
  mutating func insert(from: UserName, id: MessageID) -> Bool {
    self.insert(Self.hash(from, id))
  }

  /// Remembers the copy of a message to `peer`, which is one for each place of the original.
  ///
  /// - Returns: whether it is new.
  mutating func insert(to peer: UserName, id: MessageID, at peerOffset: Offset) -> Bool {
    var hasher = Hasher()
    hasher.combine(peer)
    hasher.combine(id)
    hasher.combine(peerOffset)
    return self.insert(hasher.finalize())
  }

  /// Forgets what ``insert(from:id:)`` has remembered.
  ///
  /// - Returns: whether it had.
  mutating func remove(from: UserName, id: MessageID) -> Bool {
    let hash = Self.hash(from, id)
    return self.young.remove(hash) != nil || self.old.remove(hash) != nil
  }

  private static func hash(_ from: UserName, _ id: MessageID) -> Int {
    var hasher = Hasher()
    hasher.combine(from)
    hasher.combine(id)
    return hasher.finalize()
  }

  private mutating func insert(_ hash: Int) -> Bool {
    if self.old.contains(hash) { return false }
    guard self.young.insert(hash).inserted else { return false }
    if self.young.count >= self.limit / 2 {
      swap(&self.old, &self.young)
      self.young.removeAll(keepingCapacity: true)
    }
    return true
  }
}
