import ConnectProtocol

/// What a ``ConversationKeeper`` has under its lock: the book, what is known for the moment only, who observes, and
/// what is to be done next.
///
/// Pure but for the continuations, which it hands out for the caller to resume once the lock is released.
struct KeeperState: Sendable {
  /// What is to be done next, in the order of the properties.
  struct Round: Sendable {
    var records: [BookRecord] = []
    /// To be sent once they are stored.
    var messages: [OutgoingMessage] = []
    var reads: [ClientFrame.Read] = []
    /// Whose presence is to be watched from now on.
    var watched: [UserName]?
    /// To be acked, now that all before it is stored.
    var handled: [Offset] = []
    var waiters: [CheckedContinuation<Void, Never>] = []

    var isEmpty: Bool {
      self.records.isEmpty && self.messages.isEmpty && self.reads.isEmpty && self.watched == nil
        && self.handled.isEmpty && self.waiters.isEmpty
    }
  }

  var book: ConversationBook
  var observers = ConversationObservers()
  private(set) var connection = ConnectState.idle
  /// What the server has said on connecting last.
  private(set) var welcome: ServerFrame.Welcome?
  var arrivals = ArrivalQueue()
  /// All up to here is handled by the consumer of arrivals.
  var handled: Offset?
  var outcomes = OutcomeWaiters()
  var nextWaiter: UInt64 = 0
  /// Connections so far on which all that was missed had come.
  private var liveConnections: UInt64 = 0
  /// Whether the list is being asked for again.
  private var isRelisting = false
  /// Who waits until the server has answered everything.
  var unanswered: [CheckedContinuation<Void, Never>] = []
  /// What peers are to be told that the user has read, as it was said last.
  private var unansweredReads: [UserName: ClientFrame.Read] = [:]
  private var typing: Set<UserName> = []
  private var presence: [UserName: ServerFrame.Presence.Status] = [:]
  var round = Round()
  var keeper: CheckedContinuation<Round?, Never>?
  private(set) var isEnded = false
  /// Records that the store holds.
  private var storedRecords = 0
  /// Bytes that were appended to it since it was last replaced.
  private var appendedBytes = 0
  /// How many records there must be for a compaction to be worth it.
  private var compactAt = ConnectClientLimits.compactRecords

  init(user: UserName) { self.book = ConversationBook(user: user) }

  // MARK: Rounds

  enum Next: Sendable {
    case round(Round)
    case ended
    case wait
  }

  /// What is to be done now.
  mutating func nextRound() -> Next {
    guard self.round.isEmpty else {
      defer { self.round = Round() }
      return .round(self.round)
    }
    return self.isEnded ? .ended : .wait
  }

  /// Calls when all before it is done.
  mutating func wait(_ waiter: CheckedContinuation<Void, Never>) {
    self.round.waiters.append(waiter)
  }

  /// Records were stored.
  ///
  /// - Returns: what is to be stored instead of all, if most of it is out of date.
  mutating func stored(_ records: [[UInt8]]) -> [BookRecord]? {
    self.storedRecords += records.count
    self.appendedBytes += records.reduce(0) { $0 + $1.count }
    let isLarge = self.appendedBytes >= ConnectClientLimits.compactBytes
    guard isLarge || self.storedRecords >= self.compactAt else { return nil }
    let snapshot = self.snapshot
    // A book that is large by itself is neither looked through nor written again and again.
    self.compactAt = max(ConnectClientLimits.compactRecords, 2 * snapshot.count)
    guard isLarge || self.storedRecords >= self.compactAt else { return nil }
    self.storedRecords = snapshot.count
    self.appendedBytes = 0
    return snapshot
  }

  private var snapshot: [BookRecord] {
    guard self.arrivals.isConsumed else { return self.book.snapshot }
    // The book may have more than the consumer.
    return self.book.snapshot.compactMap { record in
      guard case .handled = record else { return record }
      return self.handled.map { .handled($0) }
    }
  }

  // MARK: What happens

  /// The store was read. What the app has sent meanwhile comes behind what was stored.
  mutating func opened(_ stored: ConversationBook, records: [[UInt8]]) {
    let early = self.book.outbox
    self.book = stored
    self.book.begin()
    self.handled = stored.handled
    self.storedRecords = records.count
    self.appendedBytes = records.reduce(0) { $0 + $1.count }
    self.round.messages = self.book.takeOutbox()
    self.round.records = []
    for entry in early {
      let (entry, records) = self.book.sendAnyway(
        entry.id, to: entry.to, body: entry.body, isQuiet: entry.isQuiet, now: entry.at)
      self.round.records += records
      self.round.messages.append(entry.outgoing)
    }
    for owed in self.book.owedReads {
      self.say(ClientFrame.Read(peer: owed.peer, offset: owed.offset, isPrivate: owed.isPrivate))
    }
  }

  /// The client has told something.
  mutating func received(_ event: ConnectEvent) {
    self.keep(event)
    switch event {
    case .connecting: self.connection = .connecting
    case .connected(let welcome):
      self.welcome = welcome
      self.connection = .online
    case .disconnected(let end, let retryIn):
      self.connection = retryIn.map { .waiting($0, end) } ?? .stopped(end)
      self.book.touch(Set(self.presence.keys).union(self.typing))
      self.presence = [:]
      self.typing = []
    case .typing(let peer, let isTyping):
      if isTyping { self.typing.insert(peer) } else { self.typing.remove(peer) }
      self.book.touch([peer])
    case .presence(let users):
      // An answer may come late, when others are watched.
      let users = users.filter { self.observers.lastWatched.contains($0.key) }
      self.presence.merge(users) { $1 }
      self.book.touch(Set(users.keys))
    case .signal(let signal): self.observers.tell(signal)
    case .error(let code, let message): self.observers.tell(.server(code: code, message: message))
    case .position(let position): self.answered(position)
    case .live, .message, .sent, .failed, .accepted, .rejected: break
    }
  }

  private mutating func keep(_ event: ConnectEvent) {
    var records = self.book.received(event)
    // At once: what follows in the same batch may drop the message, as a gap does.
    switch event {
    case .accepted(let id, _): self.decided(id)
    case .rejected(let rejected, isFinal: true): self.decided(rejected.id)
    case .sent(let sent): self.decided(sent.id)
    case .failed(let failed): self.decided(failed.id)
    default: break
    }
    guard self.arrivals.isConsumed else {
      self.round.records += records
      if let offset = event.offset { self.round.handled.append(offset) }
      return
    }
    records.removeAll { if case .handled = $0 { true } else { false } }
    for record in records {
      guard case .cut(let offset) = record else { continue }
      if case .connected(let welcome) = event, offset > welcome.offset {
        // What lies between has come before, and some of it may still wait for the consumer.
        let handled = max(self.handled ?? .zero, welcome.offset)
        self.handled = handled
        records.append(.handled(handled))
      } else {
        self.handled = offset
        self.arrivals.forgetOffsets()
      }
    }
    self.round.records += records
    if let arrival = self.book.arrival(of: event) {
      self.arrivals.append(arrival, at: event.offset)
    }
  }

  /// The client has ended. Whoever has cancelled its task took the last events with it.
  ///
  /// - Returns: what ends the observers, to be called when the lock is released.
  mutating func end() -> [@Sendable () -> Void] {
    self.isEnded = true
    self.arrivals.finish()
    if case .stopped = self.connection {} else { self.connection = .stopped(.closed) }
    for waiting in self.outcomes.all { self.decided(waiting.id) }
    self.tellObservers()
    return self.observers.takeAll()
  }

  /// A part of the server's list has come.
  mutating func received(_ page: ConversationPage, isFirst: Bool) {
    self.round.records += self.book.received(page, isFirst: isFirst)
  }

  /// All that was missed has come on a new connection.
  ///
  /// - Returns: the connection's number, if the list is to be asked for on it.
  mutating func becameLive() -> UInt64? {
    self.liveConnections += 1
    return self.book.needsList ? self.liveConnections : nil
  }

  /// Whether the list is to be asked for on this connection, and it is still open.
  func isListMissing(on connection: UInt64) -> Bool {
    self.book.needsList && self.connection == .online && connection == self.liveConnections
  }

  /// Whether the list is to be asked for again now, since what it says of somebody is of before. Whoever is told so sees
  /// to it, and calls ``relisted(isRead:)``.
  mutating func takeRelist() -> Bool {
    guard !self.isRelisting, !self.isEnded, self.connection == .online, self.book.isStale else {
      return false
    }
    self.isRelisting = true
    return true
  }

  /// - Parameter isRead: whether it was.
  mutating func relisted(isRead: Bool) {
    self.isRelisting = false
    if isRead { self.round.records += self.book.relisted() }
  }

  /// Where the next part of the list begins; nil inside for its beginning, nil outside at its end.
  var listPlace: ConversationCursor?? {
    if self.book.needsList { return .some(nil) }
    return self.book.nextList.map { .some($0) } ?? nil
  }

  // MARK: What the app does

  mutating func send(
    _ id: MessageID, to peer: UserName, body: MessageBody, isQuiet: Bool, now: UInt64
  ) throws(ConnectSendError) {
    if case .stopped(let end) = self.connection { throw .ended(end) }
    guard
      let (entry, records) = self.book.send(id, to: peer, body: body, isQuiet: isQuiet, now: now)
    else { throw .full }
    self.round.records += records
    self.round.messages.append(entry.outgoing)
  }

  mutating func retry(_ id: MessageID, to peer: UserName) -> Bool {
    guard !self.isEnded, let (entry, records) = self.book.retry(id, to: peer) else { return false }
    self.round.records += records
    self.round.messages.append(entry.outgoing)
    return true
  }

  mutating func discard(_ id: MessageID, to peer: UserName) {
    guard !self.isEnded else { return }
    self.round.records += self.book.discard(id, to: peer)
    self.decided(id)
  }

  mutating func read(_ peer: UserName, through offset: Offset?, isPrivate: Bool) {
    guard !self.isEnded,
      let (offset, records) = self.book.read(peer, through: offset, isPrivate: isPrivate)
    else { return }
    self.round.records += records
    self.say(ClientFrame.Read(peer: peer, offset: offset, isPrivate: isPrivate))
  }

  /// The server is to be told what was read.
  private mutating func say(_ read: ClientFrame.Read) {
    var read = read
    read.id = .unique()
    if !read.isPrivate { self.unansweredReads[read.peer] = read }
    self.round.reads.append(read)
  }

  /// The server has answered what it was told, unless something later was said since.
  private mutating func answered(_ position: ServerFrame.Position) {
    guard let id = position.id, let read = self.unansweredReads[position.peer], read.id == id
    else { return }
    self.unansweredReads[position.peer] = nil
    self.round.records += self.book.answered(read.peer, through: read.offset)
  }

  // MARK: What is shown

  func shown(_ peer: UserName) -> Conversation.Snapshot {
    let log = self.book.log(peer)
    let unread = log.unread(floor: self.book.floor, isListPartial: self.book.isListPartial)
    return Conversation.Snapshot(
      peer: self.peer(peer), entries: log.entries(floor: self.book.floor), unread: unread.count,
      unreadIsMore: unread.isMore, hasEarlier: log.hasEarlier, isTrimmed: log.isTrimmed)
  }

  private func peer(_ peer: UserName) -> Conversation.Peer {
    let status = self.presence[peer]
    return Conversation.Peer(
      name: peer, isTyping: self.typing.contains(peer), isOnline: status?.online,
      lastSeen: status?.lastSeen)
  }

  var shownList: ConversationList.Snapshot {
    let floor = self.book.floor
    let items = self.book.newestFirst.map { log in
      let unread = log.unread(floor: floor, isListPartial: self.book.isListPartial)
      return ConversationList.Item(
        peer: self.peer(log.peer), last: log.last(floor: floor), unread: unread.count,
        unreadIsMore: unread.isMore)
    }
    return ConversationList.Snapshot(items: items, hasMore: self.listPlace != nil)
  }

  /// Tells observers of what has changed.
  mutating func tellObservers() {
    var changed = self.book.takeChanged()
    if !changed.isEmpty, self.observers.hasLists {
      // Somebody new may be in the list.
      self.observersChanged()
      changed.formUnion(self.book.takeChanged())
    }
    for peer in changed where self.observers.isObserved(peer) {
      self.observers.tell(self.shown(peer), of: peer)
    }
    if self.book.takeListChanged() || !changed.isEmpty, self.observers.hasLists {
      self.observers.tell(self.shownList)
    }
    self.observers.tell(self.connection)
  }

  /// Who is observed has changed: their presence is watched.
  mutating func observersChanged() {
    let listed = self.observers.hasLists ? self.book.newestFirst.map(\.peer) : []
    let watched = self.observers.watched(listed: listed)
    // A new order is nothing to ask the server for.
    guard Set(watched) != Set(self.observers.lastWatched) else { return }
    self.observers.lastWatched = watched
    self.round.watched = watched
    let unknown = Set(self.presence.keys).subtracting(watched)
    for peer in unknown { self.presence[peer] = nil }
    self.book.touch(unknown)
  }
}
