import ConnectProtocol

/// The last offset and the length of the mailboxes that were written last, bounded.
///
/// Two generations: when the young one is full it becomes the old one, and the old one is dropped. An
/// entry that is used moves to the young one. That is nearly as good as least-recently-used, without
/// a list.
struct LastWrites {
  struct Entry: Hashable {
    /// The last offset; zero when another may have been written since.
    var offset: Offset
    var length: Int
    /// When the mailbox is to be looked after at the latest, in seconds of a clock that never steps.
    var nextLookSeconds = Int.min
    /// The length at which it is to be looked after.
    var nextLookLength = Int.max
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
