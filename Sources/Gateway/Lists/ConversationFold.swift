import ConnectProtocol
import MessageBus
import NIOCore

/// Puts together a part of the list of conversations: folds the mailbox from its top, or from where an
/// earlier part ended, and goes on with positions of which no message is kept.
///
/// Nothing is counted up anywhere, so nothing can drift: unread is what lies in the mailbox above how far
/// the user has read.
///
/// Pure.
struct ConversationFold {
  struct Answer: Hashable {
    /// The conversations, with commas between them.
    var items = ByteBuffer()
    var next: ConversationCursor?
  }

  private struct Found {
    let peer: UserName
    /// The frame of its newest message.
    let last: ByteBuffer
    let row: Positions.Row?
    /// What lies above it is not read.
    let readThrough: Offset
    var unread = 0
  }

  /// What an answer has beside its items, at most.
  static let frameOverhead = 140 + MessageID.maximumLength + Offset.maximumTextLength

  /// What an item has beside its peer's name and its newest message, at most.
  static let itemOverhead = 141 + 3 * Offset.maximumTextLength

  private static let everything = Offset(milliseconds: .max, sequence: .max)

  private let owner: UserName
  private let limit: Int
  private let before: ConversationCursor?
  /// Bytes that further items may have.
  private var room: Int
  private var look: LogLook
  private var rows: [UserName: Positions.Row] = [:]
  private var floor = Offset.zero
  private var found: [Found] = []
  private var places: [UserName: Int] = [:]
  /// The lowest ``Found/readThrough``: below it nothing is unread.
  private var lowestRead = Self.everything
  /// The newest message of the first conversation that has no room in this answer.
  private var firstLeftOut: Offset?
  private(set) var answer = Answer()

  /// - Parameter frameBytes: the largest answer, unless a single item is larger.
  init(_ request: ClientFrame.Conversations, owner: UserName, frameBytes: Int) {
    self.owner = owner
    self.limit = request.limit
    self.before = request.before
    self.room = frameBytes - Self.frameOverhead
    if case .log(let below) = request.before {
      self.look = LogLook(below: below)
    } else {
      self.look = LogLook(below: nil)
    }
  }

  /// What is to be read first.
  mutating func start() -> LogLook.Read {
    if case .positions = self.before { return LogLook.Read(hasTable: true) }
    return LogLook.Read(page: self.look.next(), hasTable: true)
  }

  /// What was asked for was read.
  ///
  /// - Returns: what is to be read next; nil if ``answer`` is complete.
  mutating func arrived(_ reply: LogLook.Reply) -> LogLook.Read? {
    if let table = reply.table {
      self.rows = Dictionary(table.rows.map { ($0.peer, $0.row) }) { first, _ in first }
      self.floor = table.summary.floor
    }
    if case .positions(let stamp) = self.before {
      self.addRows { $0.stamp < stamp }
      return nil
    }
    for entry in reply.entries where self.look.isNext(entry) {
      self.look.look(at: entry)
      self.fold(entry)
    }
    if self.look.isAtBottom {
      // What was removed since an earlier page of the same look was read then.
      let unread = self.look.below?.predecessor ?? reply.removed
      self.addFound(lookedThrough: min(reply.removed, unread))
      if let firstLeftOut = self.firstLeftOut {
        self.answer.next = .log(below: firstLeftOut.successor)
      } else {
        self.addRows { _ in true }
      }
      return nil
    }
    let end = self.look.below?.predecessor ?? .zero
    if !self.isFull || self.lowestRead < end, let page = self.look.next() {
      return LogLook.Read(page: page)
    }
    self.addFound(lookedThrough: end)
    self.answer.next = (self.firstLeftOut?.successor ?? self.look.below).map { .log(below: $0) }
    return nil
  }

  /// Whether no further conversation has room.
  private var isFull: Bool { self.found.count == self.limit || self.firstLeftOut != nil }

  // MARK: The mailbox

  private mutating func fold(_ entry: Mailbox.Entry) {
    guard let envelope = entry.envelope, envelope.isOfConversation, let peer = envelope.sender
    else { return }
    if self.places[peer] == nil, !self.isFull { self.find(peer, at: entry, envelope) }
    guard let place = self.places[peer] else {
      self.firstLeftOut = self.firstLeftOut ?? entry.offset
      return
    }
    if envelope.kind == .message, entry.offset > self.found[place].readThrough {
      self.found[place].unread += 1
    }
  }

  /// Adds a conversation, if it has room.
  private mutating func find(_ peer: UserName, at entry: Mailbox.Entry, _ envelope: Envelope) {
    var last = ByteBuffer()
    last.writeEntry(entry, envelope)
    guard self.takeRoom(peer, last.readableBytes, isFirst: self.found.isEmpty) else { return }
    let row = self.rows[peer]
    // What one has written to oneself is read.
    let readThrough =
      peer == self.owner ? Self.everything : row?.mine.unlessZero ?? self.floor
    self.lowestRead = min(self.lowestRead, readThrough)
    self.places[peer] = self.found.count
    self.found.append(Found(peer: peer, last: last, row: row, readThrough: readThrough))
  }

  private mutating func takeRoom(_ peer: UserName, _ bytes: Int, isFirst: Bool) -> Bool {
    let bytes = bytes + peer.text.utf8.count + Self.itemOverhead
    guard isFirst || bytes <= self.room else { return false }
    self.room -= bytes
    return true
  }

  // MARK: The answer

  /// - Parameter end: everything above it, from the start of the look, was looked at.
  private mutating func addFound(lookedThrough end: Offset) {
    for conversation in self.found {
      self.add(
        conversation.peer, conversation.row, unread: conversation.unread,
        unreadIsMore: conversation.readThrough < end, last: conversation.last)
    }
  }

  /// Adds conversations without messages, those that moved last first, as far as there is room.
  private mutating func addRows(where isAskedFor: (Positions.Row) -> Bool) {
    let rows = self.rows.filter { self.places[$0.key] == nil && isAskedFor($0.value) }
      .sorted { $0.value.stamp > $1.value.stamp }
    var count = self.found.count
    for (peer, row) in rows {
      guard count < self.limit, self.takeRoom(peer, 0, isFirst: count == 0) else {
        self.answer.next = .positions(below: row.stamp &+ 1)
        return
      }
      // What is no longer kept cannot be read, and counts for nothing.
      self.add(peer, row, unread: 0, unreadIsMore: false, last: nil)
      count += 1
    }
  }

  private mutating func add(
    _ peer: UserName, _ row: Positions.Row?, unread: Int, unreadIsMore: Bool, last: ByteBuffer?
  ) {
    if self.answer.items.readableBytes > 0 { self.answer.items.writeStaticString(",") }
    self.answer.items.writeConversation(
      ServerFrame.Conversation(
        peer: peer, unread: unread, unreadIsMore: unreadIsMore,
        delivered: row?.delivered.unlessZero, read: row?.read.unlessZero,
        mine: row?.mine.unlessZero),
      last: last)
  }
}

extension Envelope {
  /// Whether it can be the newest message of a conversation, and unread.
  fileprivate var isOfConversation: Bool {
    switch self.kind {
    case .message, .sent: !self.flags.contains(.quiet)
    case .failed, .position, .formerReceipt: false
    }
  }
}
