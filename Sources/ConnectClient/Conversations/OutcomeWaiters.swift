import ConnectProtocol

/// Who waits to hear what becomes of a message.
///
/// Pure but for the continuations, which it hands out for the caller to resume once the lock is released.
struct OutcomeWaiters: Sendable {
  typealias Outcome = Result<Conversation.Entry, ConnectSendError>
  typealias Waiter = CheckedContinuation<Outcome, Never>

  private var waiters: [MessageID: [(number: UInt64, peer: UserName, waiter: Waiter)]] = [:]
  private var served: [(Waiter, Outcome)] = []

  /// What is waited for, each message once.
  var all: [(id: MessageID, peer: UserName)] {
    self.waiters.compactMap { id, waiters in waiters.first.map { (id, $0.peer) } }
  }

  mutating func wait(for id: MessageID, to peer: UserName, number: UInt64, _ waiter: Waiter) {
    self.waiters[id, default: []].append((number, peer, waiter))
  }

  /// To whom a message goes that somebody waits for.
  func peer(of id: MessageID) -> UserName? { self.waiters[id]?.first?.peer }

  mutating func serve(_ id: MessageID, _ outcome: Outcome) {
    for waiter in self.waiters.removeValue(forKey: id) ?? [] {
      self.served.append((waiter.waiter, outcome))
    }
  }

  /// The task of one of them was cancelled.
  mutating func cancel(_ number: UInt64, _ id: MessageID) {
    guard let index = self.waiters[id]?.firstIndex(where: { $0.number == number }),
      let waiter = self.waiters[id]?.remove(at: index).waiter
    else { return }
    if self.waiters[id]?.isEmpty == true { self.waiters[id] = nil }
    self.served.append((waiter, .failure(.cancelled)))
  }

  mutating func takeServed() -> [(Waiter, Outcome)] {
    defer { self.served = [] }
    return self.served
  }
}
