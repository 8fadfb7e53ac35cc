import ConnectProtocol

/// What the user has read and the server has not confirmed: of each conversation the furthest, until its
/// own answer comes. What the peer is told and what it is not are followed apart: neither stands for the
/// other.
///
/// Lives as long as the client, across connections: what is not answered is said again on the next one.
/// Pure: times are nanoseconds of the caller's clock.
struct ReadsStateMachine {
  private struct Key: Hashable {
    let peer: UserName
    let isPrivate: Bool
  }

  private struct Conversation {
    var read: ClientFrame.Read
    /// Whether it was said on this connection, and not rejected since.
    var isSent = false
  }

  private var conversations: [Key: Conversation] = [:]
  private var isConnected = false
  private var heldUntil: UInt64 = 0

  /// The user has read a conversation. What is not further than what waits changes nothing.
  ///
  /// - Parameter read: with an id of its own, by which the answer is known.
  mutating func read(_ read: ClientFrame.Read) {
    let key = Key(peer: read.peer, isPrivate: read.isPrivate)
    if let earlier = self.conversations[key]?.read, earlier.offset >= read.offset { return }
    self.conversations[key] = Conversation(read: read)
  }

  /// A connection was welcomed: all is due.
  mutating func connected() {
    self.isConnected = true
    self.heldUntil = 0
    for key in self.conversations.keys { self.conversations[key]?.isSent = false }
  }

  /// The connection is gone, or about to end.
  mutating func disconnected() { self.isConnected = false }

  enum Next: Hashable {
    case none
    /// Ask again at this time.
    case wait(until: UInt64)
    /// Write this now.
    case write(ClientFrame.Read)
  }

  /// What is due now, which thereby counts as said.
  ///
  /// - Parameter takeTurn: takes leave from the pace of all requests: nil if it may go now, else when to ask
  ///   again.
  mutating func next(now: UInt64, takeTurn: () -> UInt64?) -> Next {
    guard self.isConnected, let next = self.conversations.first(where: { !$0.value.isSent })
    else { return .none }
    guard now >= self.heldUntil else { return .wait(until: self.heldUntil) }
    if let until = takeTurn() { return .wait(until: until) }
    self.conversations[next.key]?.isSent = true
    return .write(next.value.read)
  }

  /// The server has answered a request, or will not take it.
  mutating func settled(_ id: MessageID) {
    guard let key = self.key(of: id) else { return }
    self.conversations[key] = nil
  }

  /// The server asks to say it again later.
  ///
  /// - Returns: whether it was a request of ours.
  mutating func rejected(_ id: MessageID, until: UInt64) -> Bool {
    guard let key = self.key(of: id) else { return false }
    self.conversations[key]?.isSent = false
    self.heldUntil = max(self.heldUntil, until)
    return true
  }

  func contains(_ id: MessageID) -> Bool { self.key(of: id) != nil }

  private func key(of id: MessageID) -> Key? {
    self.conversations.first { $0.value.read.id == id }?.key
  }
}
