import ConnectProtocol

/// The mailboxes that were written last, bounded.
///
/// Two generations: when the young one is full it becomes the old one, and the old one is dropped. An
/// entry that is used moves to the young one. That is nearly as good as least-recently-used, without
/// a list.
struct LastWrites {
  private var young: [UserName: KnownMailbox] = [:]
  private var old: [UserName: KnownMailbox] = [:]
  private let generation: Int

  init(capacity: Int) {
    precondition(capacity >= 2)
    self.generation = capacity / 2
  }

  subscript(user: UserName) -> KnownMailbox? { self.young[user] ?? self.old[user] }

  mutating func insert(_ mailbox: KnownMailbox, of user: UserName) {
    if self.young.count >= self.generation, self.young[user] == nil {
      self.old = self.young
      self.young = [:]
    }
    self.young[user] = mailbox
  }
}
