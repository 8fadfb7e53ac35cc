import ConnectProtocol

/// What is known of one conversation: its entries in one order, and how far it is delivered and read.
///
/// Entries with a place in the user's mailbox come first, in the order of the mailbox, which is the same on all
/// devices. Behind them are the user's own that have none yet, in the order in which they were sent.
///
/// Pure.
struct ConversationLog: Sendable {
  /// How far it has got; each field only rises.
  struct Position: Hashable, Sendable {
    var delivered: Offset?
    var read: Offset?
    /// The user has read up to here.
    var mine: Offset?
    /// The user has read up to here, and the server has not answered that yet.
    var owed: Offset?
    var isOwedPrivately = false
  }

  /// What the server's list has said of it.
  struct Listed: Hashable, Codable, Sendable {
    var last: LogEntry?
    var unread: Int
    var isMore: Bool
  }

  let user: UserName
  let peer: UserName
  private(set) var placed: [LogEntry] = []
  private(set) var unplaced: [LogEntry] = []
  /// Of own messages, as earlier entries of the mailbox have it.
  private var failures: [MessageID: (offset: Offset, failure: Conversation.Failure)] = [:]
  private(set) var position = Position()
  var listed: Listed?
  /// All entries from here on are held. Above zero there may be earlier ones.
  private(set) var start: Offset
  /// Whether the server no longer keeps what came before ``start``.
  private(set) var isTrimmed = false

  init(user: UserName, peer: UserName, start: Offset) {
    self.user = user
    self.peer = peer
    self.start = start
  }

  /// Where what comes behind an offset begins; behind zero is all.
  static func start(behind offset: Offset) -> Offset {
    offset > .zero ? offset.successor : .zero
  }

  var hasEarlier: Bool { self.start > .zero }

  // MARK: Entries

  /// Takes an entry, a new one or another form of a known one.
  mutating func put(_ entry: LogEntry) {
    guard let offset = entry.offset else {
      if let index = self.unplaced.firstIndex(where: { $0.id == entry.id }) {
        self.unplaced[index] = entry
      } else {
        // Nearly always at the end: only what is tried again comes before others.
        let index = self.unplaced.lastIndex { $0.number <= entry.number }.map { $0 + 1 } ?? 0
        self.unplaced.insert(entry, at: index)
      }
      return
    }
    if entry.from == self.user {
      self.unplaced.removeAll { $0.id == entry.id }
      // What was sent again may stand elsewhere than its sender was told at first.
      self.placed.removeAll { $0.from == self.user && $0.id == entry.id && $0.offset != offset }
    } else if self.placed.contains(where: {
      $0.id == entry.id && $0.from == entry.from && $0.offset != offset
    }) {
      // The mailbox may have a message twice: a repeat that the server has not recognised.
      return
    }
    let index = self.index(of: offset)
    if index < self.placed.count, self.placed[index].offset == offset {
      self.placed[index] = entry
    } else {
      self.placed.insert(entry, at: index)
    }
  }

  /// Where an offset is, or would be.
  private func index(of offset: Offset) -> Int {
    var (low, high) = (0, self.placed.count)
    while low < high {
      let middle = (low + high) / 2
      if let other = self.placed[middle].offset, other < offset {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  /// An own message.
  func own(_ id: MessageID) -> LogEntry? {
    self.unplaced.first { $0.id == id }
      ?? self.placed.last { $0.id == id && $0.from == self.user }
  }

  /// Drops an own message.
  mutating func remove(_ id: MessageID) {
    self.unplaced.removeAll { $0.id == id }
    self.placed.removeAll { $0.id == id && $0.from == self.user }
  }

  /// Entries of the mailbox are missing below an offset: what is held goes no further down.
  mutating func cut(at offset: Offset) {
    // Until the list is read again, it shows what was last known.
    if let last = self.placed.last(where: { !$0.isQuiet }),
      last.offset ?? .zero > self.listed?.last?.offset ?? .zero
    {
      self.listed = Listed(last: last, unread: self.listed?.unread ?? 0, isMore: true)
    }
    self.placed = []
    // The server has them, and their copies may be among what is missing.
    self.unplaced.removeAll { $0.place != nil && $0.failure == nil }
    self.start = Self.start(behind: offset)
    self.isTrimmed = false
  }

  /// All entries from `offset` on are held, and none before.
  ///
  /// - Parameter isTrimmed: whether the server keeps nothing earlier, though there was something.
  mutating func begin(at offset: Offset, isTrimmed: Bool) {
    self.start = offset
    self.isTrimmed = isTrimmed
  }

  /// Takes an entry that was asked for, unless it is held: events know more of it.
  mutating func putEarlier(_ entry: LogEntry) {
    guard let offset = entry.offset else { return }
    let index = self.index(of: offset)
    if index < self.placed.count, self.placed[index].offset == offset { return }
    if entry.from == self.user, let held = self.own(entry.id), held.offset ?? .zero > offset {
      return
    }
    var entry = entry
    if let failure = self.failures[entry.id], failure.offset > offset {
      entry.failure = failure.failure
    }
    self.put(entry)
  }

  /// An own message failed, as an entry says that was asked for. The message itself may come later, in another
  /// answer.
  mutating func failEarlier(_ id: MessageID, at offset: Offset, _ failure: Conversation.Failure) {
    if offset > self.failures[id]?.offset ?? .zero { self.failures[id] = (offset, failure) }
    let index = self.placed.lastIndex { $0.id == id && $0.from == self.user }
    guard let index, self.placed[index].offset ?? .zero < offset else { return }
    self.placed[index].failure = failure
  }

  /// Drops the oldest entries, of which more are held than may be. How many of them are unread stays known, as if
  /// the list had said so.
  mutating func limit(to count: Int, floor: Offset, isListPartial: Bool) {
    guard self.placed.count > count else { return }
    let (unread, isMore) = self.unread(floor: floor, isListPartial: isListPartial)
    let dropped = self.placed.dropLast(count)
    var last = self.listed?.last
    if let other = dropped.last(where: { !$0.isQuiet }),
      other.offset ?? .zero > last?.offset ?? .zero
    {
      last = other
    }
    let end = dropped.last?.offset
    self.placed.removeFirst(self.placed.count - count)
    if let offset = last?.offset {
      let above = self.unread(above: max(offset, self.readUp(to: floor)))
      self.listed = Listed(last: last, unread: unread - above, isMore: isMore)
    }
    self.start = max(self.start, self.placed.first?.offset ?? end?.successor ?? .zero)
    self.isTrimmed = false
  }

  // MARK: Positions

  /// It is delivered or read further.
  mutating func advance(delivered: Offset?, read: Offset?, mine: Offset?) {
    self.position.delivered = Self.later(self.position.delivered, delivered)
    self.position.read = Self.later(self.position.read, read)
    if let mine {
      if mine > self.position.mine ?? .zero { self.passListed(through: mine) }
      self.position.mine = Self.later(self.position.mine, mine)
      if let owed = self.position.owed, owed <= mine { self.position.owed = nil }
    }
  }

  /// All is read up to here, unless the conversation has a position.
  mutating func raise(floor: Offset) {
    if self.position.mine == nil { self.passListed(through: floor) }
  }

  /// More is read than when the list said how much is unread: of the rest it has not said how much that is.
  private mutating func passListed(through offset: Offset) {
    guard let listed = self.listed else { return }
    self.listed?.isMore =
      listed.last?.offset ?? .zero > offset && (listed.unread > 0 || listed.isMore)
    self.listed?.unread = 0
  }

  /// The user has read up to an offset, of which the server is still to be told.
  mutating func owe(_ offset: Offset, isPrivate: Bool) {
    self.advance(delivered: nil, read: nil, mine: offset)
    self.position.owed = offset
    self.position.isOwedPrivately = isPrivate
  }

  private static func later(_ one: Offset?, _ other: Offset?) -> Offset? {
    guard let one, let other else { return one ?? other }
    return max(one, other)
  }

  /// The server or the user has read up to here.
  private func readUp(to floor: Offset) -> Offset { self.position.mine ?? floor }

  /// The number of the peer's messages that are neither quiet nor read.
  ///
  /// - Parameters:
  ///   - floor: all is read up to here where the conversation has no position.
  ///   - isListPartial: whether the list may have said nothing of this conversation yet.
  func unread(floor: Offset, isListPartial: Bool = false) -> (count: Int, isMore: Bool) {
    let read = self.readUp(to: floor)
    guard self.start > read.successor else { return (self.unread(above: read), false) }
    // Where the entries do not reach down to what is read, the list has said how many there are.
    guard let listed = self.listed else {
      let count = self.unread(above: read)
      return (count, isListPartial && count > 0)
    }
    guard let last = listed.last?.offset, last > read, listed.unread > 0 else {
      return (self.unread(above: read), listed.isMore)
    }
    return (listed.unread + self.unread(above: last), listed.isMore)
  }

  /// The number of entries above an offset that count as unread.
  private func unread(above offset: Offset) -> Int {
    self.placed[self.index(of: offset.successor)...].count {
      $0.from == self.peer && self.peer != self.user && !$0.isQuiet
    }
  }

  // MARK: As shown

  /// The entries, oldest first.
  func entries(floor: Offset) -> [Conversation.Entry] {
    self.placed.map { self.shown($0, floor: floor) }
      + self.unplaced.map { self.shown($0, floor: floor) }
  }

  /// The newest message that is not quiet.
  func last(floor: Offset) -> Conversation.Entry? {
    let held =
      self.unplaced.last { !$0.isQuiet } ?? self.placed.last { !$0.isQuiet }
    guard let listed = self.listed?.last else { return held.map { self.shown($0, floor: floor) } }
    if let held, held.offset ?? listed.offset ?? .zero >= listed.offset ?? .zero {
      return self.shown(held, floor: floor)
    }
    return self.shown(listed, floor: floor)
  }

  func shown(_ entry: LogEntry, floor: Offset) -> Conversation.Entry {
    Conversation.Entry(
      id: entry.id, from: entry.from, to: entry.to, isMine: entry.from == self.user,
      body: entry.body, at: entry.at, offset: entry.offset, isQuiet: entry.isQuiet,
      state: self.state(of: entry, floor: floor), failure: entry.failure)
  }

  private func state(of entry: LogEntry, floor: Offset) -> Conversation.State {
    guard entry.from == self.user else {
      return entry.offset ?? .zero <= self.readUp(to: floor) ? .read : .received
    }
    if entry.failure != nil { return .failed }
    guard let place = entry.place else { return .waiting }
    if place <= self.position.read ?? .zero { return .read }
    return place <= self.position.delivered ?? .zero ? .delivered : .accepted
  }
}
