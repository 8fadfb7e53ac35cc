import ConnectProtocol

/// All conversations of a user, as an app shows them: what each event of the client changes, and what of that is
/// to be stored.
///
/// Whatever changes is a ``BookRecord``, which ``apply(_:)`` carries out: when it happens, and again when a store is
/// read. So what an app shows after a restart is what it has shown before.
///
/// Pure: times are the caller's, in milliseconds since 1970.
struct ConversationBook: Sendable {
  let user: UserName
  private(set) var logs: [UserName: ConversationLog] = [:]
  /// All entries of the mailbox up to here are in the logs.
  private(set) var handled: Offset?
  /// Where the server was asked to begin when the client started: it begins there or above, if it has that mailbox. A
  /// later connection may begin below what is handled, since acks take their time; what comes twice is not told.
  private var since: Offset?
  /// All entries of the mailbox behind this offset are; nil before the first connection.
  private(set) var start: Offset?
  /// All is read up to here where a conversation has no position.
  private(set) var floor = Offset.zero
  private(set) var stamp: PositionStamp
  /// The greatest clock of the server that was told.
  private(set) var serverNow: UInt64?
  /// Whether the server's list is to be asked for.
  private(set) var needsList = true
  /// Where the next part of the server's list begins, if there is one.
  private(set) var nextList: ConversationCursor?
  /// Peers that the parts of the list so far have named: what a later part says of them is of before.
  private(set) var named: Set<UserName> = []
  /// Conversations of which the list's number of unread messages is of before.
  private(set) var stale: Set<UserName> = []
  private var lastNumber: UInt64 = 0
  /// The conversations of own messages that have no place in the mailbox yet.
  private var peers: [MessageID: UserName] = [:]
  /// Own messages that the server has not answered.
  private var waiting: Set<MessageID> = []
  /// The conversations that have changed since this was last taken.
  private var changed: Set<UserName> = []
  /// Whether ``needsList`` or ``nextList`` was set since this was last taken. Nothing else need have changed.
  private var isListChanged = false

  init(user: UserName) {
    self.user = user
    self.stamp = PositionStamp(0)
  }

  func log(_ peer: UserName) -> ConversationLog {
    self.logs[peer]
      ?? ConversationLog(
        user: self.user, peer: peer,
        start: self.start.map { ConversationLog.start(behind: $0) } ?? .zero)
  }

  /// The conversations that have changed since this was last called.
  mutating func takeChanged() -> Set<UserName> {
    defer { self.changed = [] }
    return self.changed
  }

  /// Whether ``needsList`` or ``nextList`` was set since this was last called.
  mutating func takeListChanged() -> Bool {
    defer { self.isListChanged = false }
    return self.isListChanged
  }

  /// What is known of these peers for the moment has changed.
  mutating func touch(_ peers: Set<UserName>) { self.changed.formUnion(peers) }

  // MARK: Records

  /// Carries out a change.
  mutating func apply(_ record: BookRecord) {
    switch record {
    case .entry(let entry): self.put(entry)
    case .again(let entry):
      self.apply(.removed(entry.to, entry.id))
      self.put(entry)
    case .removed(let peer, let id):
      self.peers[id] = nil
      self.waiting.remove(id)
      self.change(peer) { $0.remove(id) }
    case .position(let peer, let position):
      self.change(peer) {
        $0.advance(delivered: position.delivered, read: position.read, mine: position.mine)
        if let owed = position.owed { $0.owe(owed, isPrivate: false) }
        if let owed = position.owedPrivately { $0.owe(owed, isPrivate: true) }
        if let answered = position.answered { $0.answered(through: answered) }
      }
    case .listed(let peer, let listed):
      self.named.insert(peer)
      self.change(peer) { $0.listed = listed }
    case .begins(let peer, let offset, let isTrimmed):
      self.change(peer) { $0.begin(at: offset, isTrimmed: isTrimmed) }
    case .handled(let offset): self.handled = offset
    case .cut(let offset):
      self.start = offset
      self.handled = offset
      self.needsList = true
      self.isListChanged = true
      self.named = []
      for peer in Array(self.logs.keys) { self.change(peer) { $0.cut(at: offset) } }
    case .floor(let offset):
      guard offset > self.floor else { break }
      self.floor = offset
      for peer in Array(self.logs.keys) { self.change(peer) { $0.raise(floor: offset) } }
    case .stamp(let stamp): self.stamp = PositionStamp(stamp)
    case .serverNow(let now): self.serverNow = max(self.serverNow ?? 0, now)
    case .listBegun: self.named = []
    case .listRead(let next):
      let wasPartial = self.isListPartial
      self.needsList = false
      self.nextList = next
      self.isListChanged = true
      if self.isListPartial != wasPartial {
        // Whether more is unread of those that it did not name is known now, or is not any more.
        self.changed.formUnion(self.logs.values.lazy.filter { $0.listed == nil }.map(\.peer))
      }
    }
  }

  mutating func change(_ peer: UserName, _ body: (inout ConversationLog) -> Void) {
    var log = self.log(peer)
    // Taken out, so that its entries are not copied.
    self.logs[peer] = nil
    body(&log)
    self.logs[peer] = log
    self.changed.insert(peer)
    if log.isStale(floor: self.floor) { self.stale.insert(peer) } else { self.stale.remove(peer) }
  }

  private mutating func put(_ entry: LogEntry) {
    let isMine = entry.from == self.user
    let peer = isMine ? entry.to : entry.from
    if isMine {
      self.peers[entry.id] = entry.offset == nil ? peer : nil
      self.lastNumber = max(self.lastNumber, entry.number)
      if entry.isWaiting { self.waiting.insert(entry.id) } else { self.waiting.remove(entry.id) }
    }
    let (floor, isListPartial) = (self.floor, self.isListPartial)
    self.change(peer) { log in
      log.put(entry)
      guard log.placed.count > ConnectClientLimits.heldEntries else { return }
      log.limit(
        to: ConnectClientLimits.heldEntries - ConnectClientLimits.droppedEntries, floor: floor,
        isListPartial: isListPartial)
    }
  }

  mutating func record(_ record: BookRecord, _ records: inout [BookRecord]) {
    self.apply(record)
    records.append(record)
  }

  // MARK: Events

  /// Something has happened.
  ///
  /// - Returns: what is to be stored before it is acked.
  mutating func received(_ event: ConnectEvent) -> [BookRecord] {
    var records: [BookRecord] = []
    switch event {
    case .connected(let welcome): self.connected(welcome, &records)
    case .live:
      let known = self.stamp.known
      self.stamp.live()
      if self.stamp.known != known { records.append(.stamp(self.stamp.known ?? 0)) }
    case .message(let message):
      self.record(.entry(LogEntry(message, to: self.user)), &records)
    case .sent(let sent):
      self.record(.entry(LogEntry(sent, from: self.user)), &records)
    case .failed(let failed):
      if var entry = self.log(failed.to).own(failed.id) {
        entry.failure = .init(code: failed.code, message: failed.message)
        self.record(.entry(entry), &records)
      }
    case .accepted(let id, let place):
      guard var entry = self.own(id), entry.place == nil || entry.failure != nil else { break }
      entry.place = place
      entry.failure = nil
      self.record(.entry(entry), &records)
    case .rejected(let rejected, isFinal: true):
      guard var entry = self.own(rejected.id) else { break }
      entry.failure = .init(code: rejected.code, message: rejected.message)
      self.record(.entry(entry), &records)
    case .position(let position): self.moved(position, &records)
    default: break
    }
    // Behind the entry, so that a store that has the one has the other.
    if let offset = event.offset { self.record(.handled(offset), &records) }
    return records
  }

  /// What an event that was received has brought, for whoever handles each message.
  func arrival(of event: ConnectEvent) -> ConnectArrival? {
    switch event {
    case .message(let message): .message(self.shown(LogEntry(message, to: self.user)))
    case .sent(let sent): .message(self.shown(LogEntry(sent, from: self.user)))
    case .rejected(let rejected, isFinal: true):
      self.own(rejected.id).map { .rejected(self.shown($0)) }
    case .failed(let failed):
      .failed(
        failed.id, to: failed.to, .init(code: failed.code, message: failed.message))
    default: nil
    }
  }

  private func shown(_ entry: LogEntry) -> Conversation.Entry {
    self.log(entry.from == self.user ? entry.to : entry.from).shown(entry, floor: self.floor)
  }

  /// Whether a message waits for the server's answer.
  var isWaiting: Bool { !self.waiting.isEmpty }

  private func own(_ id: MessageID) -> LogEntry? {
    self.peers[id].flatMap { self.log($0).own(id) }
  }

  private mutating func connected(
    _ welcome: ServerFrame.Welcome, _ records: inout [BookRecord]
  ) {
    self.stamp.connected(welcome)
    if self.start == nil || welcome.offset < self.since ?? .zero {
      // The first connection, or another mailbox than the one that is held: the next connection begins in it.
      self.since = self.since.map { min($0, welcome.offset) }
      self.record(.cut(welcome.offset), &records)
    } else if welcome.gap {
      // What lies between what is held and what comes is gone. At zero all comes again.
      let isWhole = welcome.offset == .zero
      self.record(
        .cut(isWhole ? .zero : max(welcome.offset, self.handled ?? .zero)), &records)
    }
    if let floor = welcome.floor, floor > self.floor { self.record(.floor(floor), &records) }
    self.record(.serverNow(welcome.now), &records)
  }

  private mutating func moved(
    _ position: ServerFrame.Position, _ records: inout [BookRecord]
  ) {
    let known = self.stamp.known
    self.stamp.received(position)
    if let floor = position.floor, floor > self.floor { self.record(.floor(floor), &records) }
    let moved = ConversationLog.Position(
      delivered: position.delivered, read: position.read, mine: position.mine)
    self.record(.position(position.peer, moved), &records)
    if self.stamp.known != known { records.append(.stamp(self.stamp.known ?? 0)) }
  }

  // MARK: The app

  /// The user sends a message.
  ///
  /// - Parameter now: the device's clock.
  /// - Returns: the entry, and what is to be stored before it is sent; nil if too many wait.
  mutating func send(
    _ id: MessageID, to peer: UserName, body: MessageBody, isQuiet: Bool, now: UInt64
  ) -> (LogEntry, [BookRecord])? {
    guard self.waiting.count < ConnectClientLimits.outboxMessages else { return nil }
    return self.sendAnyway(id, to: peer, body: body, isQuiet: isQuiet, now: now)
  }

  /// The same, however many wait: what an app was told to be taken is not refused later.
  mutating func sendAnyway(
    _ id: MessageID, to peer: UserName, body: MessageBody, isQuiet: Bool, now: UInt64
  ) -> (LogEntry, [BookRecord]) {
    var entry = LogEntry(id: id, from: self.user, to: peer, body: body, at: now)
    entry.isQuiet = isQuiet
    entry.number = self.lastNumber + 1
    entry.sentAfter = self.serverNow
    self.apply(.entry(entry))
    return (entry, [.entry(entry)])
  }

  /// A message that failed is to be sent again, behind all that waits.
  mutating func retry(_ id: MessageID, to peer: UserName) -> (LogEntry, [BookRecord])? {
    guard var entry = self.log(peer).own(id), entry.failure != nil else { return nil }
    entry.failure = nil
    entry.place = nil
    entry.offset = nil
    entry.mayBeTaken = true
    entry.number = self.lastNumber + 1
    var records: [BookRecord] = []
    self.record(.again(entry), &records)
    return (entry, records)
  }

  /// A message that failed is of no use any more.
  mutating func discard(_ id: MessageID, to peer: UserName) -> [BookRecord] {
    guard self.log(peer).own(id)?.failure != nil else { return [] }
    self.apply(.removed(peer, id))
    return [.removed(peer, id)]
  }

  /// The user has read the peer's messages up to one of them; without one, up to the last that is held: what
  /// only the list has told of was not shown yet, nor what lies before it.
  ///
  /// - Returns: up to where, and what is to be stored; nil if that was read before.
  mutating func read(
    _ peer: UserName, through offset: Offset?, isPrivate: Bool
  ) -> (Offset, [BookRecord])? {
    let log = self.log(peer)
    guard let offset = offset ?? log.placed.last(where: { $0.from == peer })?.offset,
      offset > log.position.mine ?? self.floor
    else { return nil }
    let position =
      isPrivate
      ? ConversationLog.Position(owedPrivately: offset) : ConversationLog.Position(owed: offset)
    self.apply(.position(peer, position))
    return (offset, [.position(peer, position)])
  }

  /// The server has answered that the user has read up to an offset, which the peer is told.
  mutating func answered(_ peer: UserName, through offset: Offset) -> [BookRecord] {
    let record = BookRecord.position(peer, ConversationLog.Position(answered: offset))
    self.apply(record)
    return [record]
  }

  // MARK: Starting

  /// A client starts with this book.
  mutating func begin() { self.since = self.handled }

  /// What waits for the server's answer, in the order in which it was sent.
  var outbox: [LogEntry] {
    self.logs.values.flatMap { $0.unplaced.filter(\.isWaiting) }
      .sorted { $0.number < $1.number }
  }

  /// What an earlier client has sent without an answer, or not sent any more, in order: to be sent again.
  mutating func takeOutbox() -> [OutgoingMessage] {
    self.outbox.map { entry in
      var entry = entry
      entry.mayBeTaken = true
      self.apply(.entry(entry))
      return entry.outgoing
    }
  }

  /// What the user has read and the server has not been told.
  var owedReads: [(peer: UserName, offset: Offset, isPrivate: Bool)] {
    self.logs.values.flatMap { log in
      [(log.position.owed, false), (log.position.owedPrivately, true)].compactMap {
        owed, isPrivate in
        owed.map { (log.peer, $0, isPrivate) }
      }
    }
  }

  /// Conversations, the newest first.
  var newestFirst: [ConversationLog] {
    self.logs.values
      .filter { $0.last(floor: self.floor) != nil || $0.listed != nil }
      .map { ($0, $0.last(floor: self.floor)) }
      .sorted { one, other in
        let (first, second) = (Self.time(of: one.1), Self.time(of: other.1))
        // Names decide between equals, so that the order is the same each time.
        return first == second ? one.0.peer.text < other.0.peer.text : first > second
      }
      .map(\.0)
  }

  private static func time(of entry: Conversation.Entry?) -> Offset {
    entry.map { $0.offset ?? Offset(milliseconds: $0.at, sequence: .max) } ?? .zero
  }

  /// Whether what the list has said of a conversation is of before.
  var isStale: Bool { !self.stale.isEmpty }

  /// Whether a conversation may be one of which the server's list has said nothing yet.
  var isListPartial: Bool { self.needsList || self.nextList != nil }
}
