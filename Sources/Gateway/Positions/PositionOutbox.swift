import ConnectProtocol
import MessageBus

/// Follows what a device has acked and its user has read, until the peers are told.
///
/// A peer is told how far, not what: so what comes in a second becomes one entry of the bus, the first at
/// once, what follows with the next tick, and the rest when the connection ends. A cursor counts as safe
/// only up to where all peers are told: once it is stored, nothing would cause the same entries again.
///
/// What the user has read is told the peer first, unless it is private, and stored second. A read is
/// answered when both are done.
///
/// Pure.
struct PositionOutbox {
  /// A message that was acked and whose sender is to be told.
  struct Message: Hashable {
    var peer: UserName
    var offset: Offset
  }

  /// What one peer is to be told, and what is to be stored of the conversation.
  struct Entry: Hashable {
    /// For the peer; zero where there is nothing to tell.
    var told = Envelope.Position()
    /// How far the user has read; zero for nothing new.
    var mine = Offset.zero
    /// The requests to answer, in order; nil for one without an id.
    var requests: [MessageID?] = []
    /// The lowest message of which the peer is not told.
    fileprivate var lowest: Offset?

    /// Whether the bus gets an entry.
    var isForPeer: Bool { self.told != Envelope.Position() }
    /// Whether something is to be stored, and answered.
    var isRead: Bool { !self.requests.isEmpty }

    /// Adds what came before.
    fileprivate mutating func add(_ earlier: Entry) {
      self.told.delivered = max(self.told.delivered, earlier.told.delivered)
      self.told.read = max(self.told.read, earlier.told.read)
      self.mine = max(self.mine, earlier.mine)
      self.requests = earlier.requests + self.requests
      self.lowest = [self.lowest, earlier.lowest].compactMap { $0 }.min()
    }
  }

  private struct Conversation {
    /// To be told.
    var waiting: Entry?
    /// Being told or stored.
    var underWay: Entry?
    /// Whether the peer was told something since the last tick.
    var isCooling = false

    var isSettled: Bool { self.waiting == nil && self.underWay == nil }

    var requests: Int {
      (self.waiting?.requests.count ?? 0) + (self.underWay?.requests.count ?? 0)
    }
  }

  /// The client has acked all up to here.
  private var acked = Offset.zero
  /// All up to here was looked at, where the client has acked more than it was sent.
  private var looked: Offset?
  private var conversations: [UserName: Conversation] = [:]
  /// Whether a peer was told something since ``takeTold()``.
  private(set) var hasTold = false
  private var isClosed = false
  private var isErased = false
  /// Number of peers for whom something waits or is under way.
  private(set) var unsettled = 0
  /// Number of peers for whom something is under way.
  private(set) var underWay = 0
  /// Number of reads that are not answered yet.
  private(set) var requests = 0

  /// An outbox as one that was at rest.
  ///
  /// - Parameter acked: the client has acked all up to here.
  init(acked: Offset = .zero, hasTold: Bool = false) {
    self.acked = acked
    self.hasTold = hasTold
  }

  /// Whether there is nothing to know but how far the client has acked, and ``hasTold``.
  var isAtRest: Bool {
    self.conversations.isEmpty && self.looked == nil && !(self.isClosed || self.isErased)
  }

  /// The cursor may be stored up to this offset.
  var safe: Offset {
    var safe = min(self.acked, self.looked ?? self.acked)
    for conversation in self.conversations.values {
      for entry in [conversation.waiting, conversation.underWay] {
        if let lowest = entry?.lowest { safe = min(safe, lowest.predecessor) }
      }
    }
    return safe
  }

  /// Whether there are messages that have yet to be looked at.
  var isLooking: Bool { self.looked != nil }

  /// Those above it have; nil if there are none.
  var lookStart: Offset? { self.looked }

  /// Whether ``tick()`` has something to do.
  var awaitsTick: Bool { !self.conversations.isEmpty }

  // MARK: What comes in

  /// The client has acked all up to `offset`.
  ///
  /// - Returns: peers for whom ``take(_:)`` has something, in the order of the messages.
  mutating func acked(_ offset: Offset, _ messages: [Message]) -> [UserName] {
    self.acked = max(self.acked, offset)
    return self.add(messages)
  }

  /// The client says that it has handled messages that were not sent on this connection: those above
  /// `start` have yet to be looked at.
  mutating func skipped(from start: Offset) { self.looked = start }

  /// Some of them were looked at.
  ///
  /// - Parameters:
  ///   - offset: the last of them.
  ///   - isLast: whether these were all.
  mutating func looked(
    through offset: Offset, isLast: Bool, _ messages: [Message]
  ) -> [UserName] {
    self.looked = isLast ? nil : offset
    return self.acked(offset, messages)
  }

  private mutating func add(_ messages: [Message]) -> [UserName] {
    var due: [UserName] = []
    for message in messages {
      let isDue = self.add(message.peer) { entry in
        entry.told.delivered = max(entry.told.delivered, message.offset)
        entry.lowest = min(entry.lowest ?? message.offset, message.offset)
      }
      if isDue, !due.contains(message.peer) { due.append(message.peer) }
    }
    return due
  }

  /// The user has read a conversation.
  ///
  /// - Parameter delivered: the highest message of the peer up to there that asks for a receipt, if it
  ///   was not acked yet.
  /// - Returns: whether ``take(_:)`` has something.
  mutating func read(_ read: ClientFrame.Read, delivered: Offset?) -> Bool {
    self.add(read.peer) { entry in
      entry.mine = max(entry.mine, read.offset)
      entry.requests.append(read.id)
      guard !read.isPrivate else { return }
      entry.told.read = max(entry.told.read, read.offset)
      entry.told.delivered = max(entry.told.delivered, delivered ?? .zero)
    }
  }

  private mutating func add(_ peer: UserName, _ change: (inout Entry) -> Void) -> Bool {
    guard !self.isErased else { return false }
    var conversation = self.conversations[peer] ?? Conversation()
    var entry = conversation.waiting ?? Entry()
    change(&entry)
    conversation.waiting = entry
    self.set(conversation, for: peer)
    return Self.isDue(conversation) || self.isClosed && conversation.underWay == nil
  }

  private mutating func set(_ conversation: Conversation?, for peer: UserName) {
    let before = self.conversations[peer]
    self.conversations[peer] = conversation
    func change(_ count: (Conversation) -> Int) -> Int {
      (conversation.map(count) ?? 0) - (before.map(count) ?? 0)
    }
    self.unsettled += change { $0.isSettled ? 0 : 1 }
    self.underWay += change { $0.underWay == nil ? 0 : 1 }
    self.requests += change(\.requests)
    // The next for this peer is then told at once.
    if self.conversations.count > GatewayLimits.rememberedPeers, conversation?.isSettled == true {
      self.conversations[peer] = nil
    }
  }

  private static func isDue(_ conversation: Conversation) -> Bool {
    conversation.waiting != nil && conversation.underWay == nil && !conversation.isCooling
  }

  // MARK: What goes out

  /// Whether what waits for a peer was read, so that the user has paid for it.
  func hasRead(_ peer: UserName) -> Bool {
    self.conversations[peer]?.waiting?.isRead ?? false
  }

  /// What a peer is to be told now: it is under way from now on, until ``told(_:isTaken:)`` or
  /// ``stored(_:isStored:)``.
  mutating func take(_ peer: UserName) -> Entry? {
    guard var conversation = self.conversations[peer], conversation.underWay == nil,
      let entry = conversation.waiting
    else { return nil }
    conversation.waiting = nil
    conversation.underWay = entry
    conversation.isCooling = true
    self.set(conversation, for: peer)
    return entry
  }

  /// What was taken could not be told for want of the user's budget, or the bus did not take it: it waits
  /// for the next tick.
  ///
  /// - Returns: what is to be stored now.
  mutating func told(_ peer: UserName, isTaken: Bool) -> Entry? {
    guard isTaken else {
      self.putBack(peer)
      return nil
    }
    self.hasTold = true
    guard var conversation = self.conversations[peer], var entry = conversation.underWay else {
      return nil
    }
    entry.told = Envelope.Position()
    entry.lowest = nil
    conversation.underWay = entry.isRead && !self.isErased ? entry : nil
    self.set(conversation, for: peer)
    return conversation.underWay
  }

  /// What the user has read was stored, or was not.
  ///
  /// - Returns: the requests to answer.
  mutating func stored(_ peer: UserName, isStored: Bool) -> [MessageID?] {
    guard isStored else {
      self.putBack(peer)
      return []
    }
    guard var conversation = self.conversations[peer] else { return [] }
    let requests = conversation.underWay?.requests ?? []
    conversation.underWay = nil
    self.set(conversation, for: peer)
    return requests
  }

  private mutating func putBack(_ peer: UserName) {
    guard var conversation = self.conversations[peer], let entry = conversation.underWay else {
      return
    }
    conversation.underWay = nil
    var waiting = conversation.waiting ?? Entry()
    waiting.add(entry)
    conversation.waiting = self.isErased ? nil : waiting
    self.set(conversation, for: peer)
  }

  /// A second has passed.
  ///
  /// - Returns: peers for whom ``take(_:)`` has something, whose messages are the oldest first: the cursor
  ///   waits for them, and the budget may not be enough for all.
  mutating func tick() -> [UserName] {
    var due: [(peer: UserName, oldest: Offset)] = []
    for (peer, var conversation) in self.conversations {
      conversation.isCooling = false
      self.set(conversation.isSettled ? nil : conversation, for: peer)
      guard Self.isDue(conversation), let entry = conversation.waiting else { continue }
      due.append((peer, entry.lowest ?? entry.mine))
    }
    // An idle connection holds no memory for those it once told.
    if self.conversations.isEmpty { self.conversations = [:] }
    return due.sorted { $0.oldest < $1.oldest }.map(\.peer)
  }

  /// The connection has ended: what waits is due at once.
  ///
  /// - Returns: peers for whom ``take(_:)`` has something.
  mutating func close() -> [UserName] {
    self.isClosed = true
    return self.conversations.compactMap { peer, conversation in
      conversation.waiting != nil && conversation.underWay == nil ? peer : nil
    }
  }

  /// The user is erased: nothing more is told or stored.
  mutating func erase() {
    self.isErased = true
    for (peer, var conversation) in self.conversations {
      conversation.waiting = nil
      self.set(conversation, for: peer)
    }
  }

  /// Whether peers were told something since this was last asked: then it is to be noted how far.
  mutating func takeTold() -> Bool {
    defer { self.hasTold = false }
    return self.hasTold
  }
}
