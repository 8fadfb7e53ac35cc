import ConnectProtocol
import MessageBus

/// Mailboxes to be trimmed, each once, first come first served, bounded.
struct TrimQueue {
  private var members: Set<UserName> = []
  /// In order; those before ``head`` are done.
  private var order: [UserName] = []
  private var head = 0
  private let capacity: Int

  init(capacity: Int) { self.capacity = capacity }

  var isEmpty: Bool { self.members.isEmpty }

  /// Returns whether the mailbox is in the queue now: not if the queue is full.
  mutating func insert(_ user: UserName) -> Bool {
    if self.members.contains(user) { return true }
    guard self.members.count < self.capacity else { return false }
    self.members.insert(user)
    self.order.append(user)
    return true
  }

  /// Removes and returns at most `maximum` mailboxes.
  mutating func next(_ maximum: Int) -> [UserName] {
    let end = min(self.order.count, self.head + maximum)
    let users = Array(self.order[self.head..<end])
    self.members.subtract(users)
    self.head = end
    if self.head == self.order.count {
      self.order.removeAll(keepingCapacity: false)
      self.head = 0
    } else if self.head > self.capacity {
      self.order.removeFirst(self.head)
      self.head = 0
    }
    return users
  }

  mutating func removeAll() {
    self.members = []
    self.order = []
    self.head = 0
  }
}
