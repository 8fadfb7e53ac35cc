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
    /// The user has read up to here, of which the peer is to be told, and the server has not answered that yet.
    var owed: Offset?
    /// The same, of which the peer is not told. It does not stand for the other.
    var owedPrivately: Offset?
    /// The server has answered what was owed up to here.
    var answered: Offset?
  }

  /// What the server's list has said of it.
  struct Listed: Hashable, Sendable {
    var last: LogEntry?
    var unread: Int
    var isMore: Bool
    /// More is read since, and how much of it was among these, the list has not said.
    var isStale = false

    /// When more is read: of the rest it has not said how much that is.
    func read(through offset: Offset) -> Listed {
      let isMore = self.last?.offset ?? .zero > offset && (self.unread > 0 || self.isMore)
      return Listed(last: self.last, unread: 0, isMore: isMore, isStale: isMore)
    }
  }

  let user: UserName
  let peer: UserName
  private(set) var placed: [LogEntry] = []
  private(set) var unplaced: [LogEntry] = []
  /// Where each of ``placed`` is: looked for at each message, and there may be thousands.
  private var offsets: [Conversation.Entry.Key: Offset] = [:]
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
    guard let offset = entry.offset else { return self.putUnplaced(entry) }
    if let other = self.offsets[entry.key], other != offset {
      // The mailbox may have a message twice: a repeat that the server has not recognised.
      guard entry.from == self.user else { return }
      // What was sent again may stand elsewhere than its sender was told at first.
      self.removePlaced(entry.key)
    }
    if entry.from == self.user { self.removeUnplaced(entry.id) }
    let index = self.index(of: offset)
    if index < self.placed.count, self.placed[index].offset == offset {
      self.offsets[self.placed[index].key] = nil
      self.placed[index] = entry
    } else {
      self.placed.insert(entry, at: index)
    }
    self.offsets[entry.key] = offset
  }

  private mutating func putUnplaced(_ entry: LogEntry) {
    // Nearly always a new one behind all others.
    guard let last = self.unplaced.last, last.number >= entry.number else {
      return self.unplaced.append(entry)
    }
    if let index = self.unplaced.firstIndex(where: { $0.id == entry.id }) {
      self.unplaced[index] = entry
    } else {
      // Only what is tried again comes before others.
      let index = self.unplaced.lastIndex { $0.number <= entry.number }.map { $0 + 1 } ?? 0
      self.unplaced.insert(entry, at: index)
    }
  }

  private mutating func removeUnplaced(_ id: MessageID) {
    guard let index = self.unplaced.firstIndex(where: { $0.id == id }) else { return }
    self.unplaced.remove(at: index)
  }

  private mutating func removePlaced(_ key: Conversation.Entry.Key) {
    guard let offset = self.offsets.removeValue(forKey: key) else { return }
    self.placed.remove(at: self.index(of: offset))
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
    self.unplaced.first { $0.id == id } ?? self.placedIndex(of: id).map { self.placed[$0] }
  }

  /// Where an own message is among ``placed``.
  private func placedIndex(of id: MessageID) -> Int? {
    self.offsets[Conversation.Entry.Key(from: self.user, id: id)].map { self.index(of: $0) }
  }

  /// Drops an own message.
  mutating func remove(_ id: MessageID) {
    self.removeUnplaced(id)
    self.removePlaced(Conversation.Entry.Key(from: self.user, id: id))
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
    self.offsets = [:]
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
    guard let index = self.placedIndex(of: id), self.placed[index].offset ?? .zero < offset
    else { return }
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
    for entry in dropped { self.offsets[entry.key] = nil }
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
      if let owed = self.position.owedPrivately, owed <= mine { self.position.owedPrivately = nil }
    }
  }

  /// All is read up to here, unless the conversation has a position.
  mutating func raise(floor: Offset) {
    if self.position.mine == nil { self.passListed(through: floor) }
  }

  /// More is read than when the list said how much is unread: of the rest it has not said how much that is.
  private mutating func passListed(through offset: Offset) {
    guard let listed = self.listed else { return }
    self.listed = listed.read(through: offset)
  }

  /// Whether the number of unread messages is what the list has said, and that is of before.
  func isStale(floor: Offset) -> Bool {
    self.listed?.isStale == true && self.start > self.readUp(to: floor).successor
  }

  /// The user has read up to an offset, of which the server is still to be told.
  mutating func owe(_ offset: Offset, isPrivate: Bool) {
    self.advance(delivered: nil, read: nil, mine: offset)
    if isPrivate { self.position.owedPrivately = offset } else { self.position.owed = offset }
  }

  /// The server has told the peer that the user has read up to an offset.
  mutating func answered(through offset: Offset) {
    if let owed = self.position.owed, owed <= offset { self.position.owed = nil }
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
