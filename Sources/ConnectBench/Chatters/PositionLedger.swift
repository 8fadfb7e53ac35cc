import ConnectProtocol

/// How far each conversation is delivered and read in truth, and what each device was told of it.
///
/// A conversation is what one user sends to another: the devices of the sender are told how far it is
/// delivered and read, those of the recipient how far the user has read it. All of it are offsets of the
/// recipient's mailbox. Pure.
struct PositionLedger {
  /// What is known of one conversation, by one side: zero for nothing.
  struct Row: Equatable {
    var delivered = Offset.zero
    var read = Offset.zero
    var mine = Offset.zero
  }

  enum Fault: Hashable {
    /// It was told less than before. An answer to `read` says what holds, which may be ahead of what is
    /// told in turn: only what is told in turn must not go back.
    case back
    /// It was told more than had happened.
    case ahead
  }

  struct Totals: Sendable, Equatable {
    /// Frames that devices were told.
    var told = 0
    var back = 0
    var ahead = 0
  }

  /// What a device was told.
  private struct Told {
    /// Of each the furthest: what an app shows.
    var row = Row()
    /// The same without answers.
    var inTurn = Row()
  }

  private struct Conversation {
    let from: Int
    let to: Int
    /// The furthest that anything has happened.
    var reached = Row()
    /// The same, of what happened since losses were excused: every device must be told so much.
    var due = Row()
    /// Whether the rows may have been thrown away once.
    var isExcused = false
    /// Whether a message with a receipt was shown since then.
    var hasReceipt = false
    /// Whether the row must exist: the message of that receipt was read.
    var hasRow = true
  }

  private var conversations: [Conversation]
  private let index: [ChatLedger.Direction: Int]
  /// What the devices of a conversation's sender were told (`delivered` and `read`), and those of its
  /// recipient (`mine`).
  private var sides: [(ofSender: [Told], ofRecipient: [Told])]
  private(set) var totals = Totals()
  /// What was told with a stamp up to here is of tables that were thrown away.
  private var excusedStamp: UInt64 = 0

  /// - Parameter devices: how many each user has.
  init(directions: [ChatLedger.Direction], devices: [Int]) {
    self.conversations = directions.map { Conversation(from: $0.from, to: $0.to) }
    self.index = Dictionary(
      uniqueKeysWithValues: directions.enumerated().map { ($0.element, $0.offset) })
    self.sides = directions.map {
      (
        Array(repeating: Told(), count: devices[$0.from]),
        Array(repeating: Told(), count: devices[$0.to])
      )
    }
  }

  // MARK: What happens

  /// A device of the recipient is about to be shown a message, which it acks thereafter.
  ///
  /// - Parameter isDue: whether that must be told. A device that came last may be the first that is shown
  ///   something, but what it acks need not be news. Nor need what another device has acked before losses
  ///   were excused: a gateway tells that once.
  mutating func shown(
    in conversation: Int, at offset: Offset, hasReceipt: Bool, isDue: Bool = true
  ) {
    guard hasReceipt else { return }
    guard isDue else {
      let reached = self.conversations[conversation].reached.delivered
      self.conversations[conversation].reached.delivered = max(reached, offset)
      return
    }
    self.happened(in: conversation) {
      $0.delivered = max($0.delivered, offset)
    }
    self.conversations[conversation].hasReceipt = true
  }

  /// The recipient is about to say how far the conversation is read.
  mutating func read(in conversation: Int, to offset: Offset, isPrivate: Bool) {
    let hasRow = self.conversations[conversation].hasRow
    self.happened(in: conversation) {
      $0.mine = max($0.mine, offset)
      // Without a row, it is told to nobody.
      if !isPrivate { $0.read = max($0.read, offset) }
    }
    guard !hasRow else { return }
    self.conversations[conversation].due.read = .zero
    self.conversations[conversation].hasRow = self.conversations[conversation].hasReceipt
  }

  private mutating func happened(in conversation: Int, _ change: (inout Row) -> Void) {
    change(&self.conversations[conversation].reached)
    change(&self.conversations[conversation].due)
  }

  /// The tables, or positions under way, are thrown away: what has happened so far need not be told.
  ///
  /// - Parameter milliseconds: when, since 1970: stamps are times, too.
  mutating func excuseLosses(at milliseconds: UInt64) {
    self.excusedStamp = milliseconds
    for index in self.conversations.indices {
      self.conversations[index].due = Row()
      self.conversations[index].isExcused = true
      self.conversations[index].hasReceipt = false
      self.conversations[index].hasRow = false
      self.sides[index].ofSender = self.sides[index].ofSender.map { _ in Told() }
      self.sides[index].ofRecipient = self.sides[index].ofRecipient.map { _ in Told() }
    }
  }

  // MARK: What is told

  /// A device of `user` was told of its conversation with `peer`.
  ///
  /// - Returns: what is wrong with that.
  mutating func told(
    _ position: ServerFrame.Position, of user: Int, with peer: Int, on device: Int
  ) -> Set<Fault> {
    self.totals.told += 1
    var faults: Set<Fault> = []
    // An answer's stamp is not of its row. What comes late, of a table that is gone, is followed by less.
    let isInTurn = position.id == nil && position.stamp > self.excusedStamp
    func tell(
      _ field: WritableKeyPath<Row, Offset>, _ offset: Offset?, upTo reached: Offset,
      _ conversation: Conversation, _ told: inout Told
    ) {
      // A table that was thrown away begins without it.
      if offset == nil, conversation.isExcused { return }
      let offset = offset ?? .zero
      if offset > reached { faults.insert(.ahead) }
      told.row[keyPath: field] = max(told.row[keyPath: field], offset)
      guard isInTurn else { return }
      if offset < told.inTurn[keyPath: field] { faults.insert(.back) }
      told.inTurn[keyPath: field] = max(told.inTurn[keyPath: field], offset)
    }
    if let sent = self.index[.init(from: user, to: peer)] {
      let conversation = self.conversations[sent]
      let reached = conversation.reached
      tell(
        \.delivered, position.delivered, upTo: max(reached.delivered, reached.read), conversation,
        &self.sides[sent].ofSender[device])
      tell(
        \.read, position.read, upTo: reached.read, conversation,
        &self.sides[sent].ofSender[device])
    } else if position.delivered != nil || position.read != nil {
      faults.insert(.ahead)
    }
    if let received = self.index[.init(from: peer, to: user)] {
      let conversation = self.conversations[received]
      tell(
        \.mine, position.mine, upTo: conversation.reached.mine, conversation,
        &self.sides[received].ofRecipient[device])
    } else if position.mine != nil {
      faults.insert(.ahead)
    }
    if faults.contains(.back) { self.totals.back += 1 }
    if faults.contains(.ahead) { self.totals.ahead += 1 }
    return faults
  }

  /// What a list may say of the conversation of `user` with `peer`: no less than the first once all is told,
  /// and never more than the second.
  func bounds(of user: Int, with peer: Int) -> (least: Row, most: Row) {
    var (least, most) = (Row(), Row())
    if let sent = self.index[.init(from: user, to: peer)] {
      let conversation = self.conversations[sent]
      (least.delivered, most.delivered) = (
        conversation.due.delivered, conversation.reached.delivered
      )
      (least.read, most.read) = (conversation.due.read, conversation.reached.read)
    }
    if let received = self.index[.init(from: peer, to: user)] {
      let conversation = self.conversations[received]
      (least.mine, most.mine) = (conversation.due.mine, conversation.reached.mine)
    }
    return (least, most)
  }

  // MARK: The end

  /// Conversations of which some device was told less than the truth; 0 once all has come.
  ///
  /// - Parameters:
  ///   - isIncluded: which to look at, by their numbers.
  ///   - devices: how many devices of each user to look at.
  func behind(among isIncluded: (Int) -> Bool = { _ in true }, devices: Int = .max) -> Int {
    self.conversations.indices.count {
      isIncluded($0) && !self.devicesBehind($0, devices: devices).isEmpty
    }
  }

  /// Descriptions of these.
  var descriptions: [String] {
    self.conversations.indices.flatMap { index in
      self.devicesBehind(index).map { text in
        let conversation = self.conversations[index]
        return "behind: position of user \(conversation.from) to \(conversation.to), \(text)"
      }
    }
  }

  private func devicesBehind(_ index: Int, devices: Int = .max) -> [String] {
    let due = self.conversations[index].due
    var texts: [String] = []
    for (device, row) in self.sides[index].ofSender.prefix(devices).map(\.row).enumerated() {
      // Having read it implies having it.
      if max(row.delivered, row.read) < max(due.delivered, due.read) || row.read < due.read {
        texts.append(
          "told device \(device) of the sender: delivered \(row.delivered) of \(due.delivered), "
            + "read \(row.read) of \(due.read)")
      }
    }
    for (device, row) in self.sides[index].ofRecipient.prefix(devices).map(\.row).enumerated()
    where row.mine < due.mine {
      texts.append("told device \(device) of the recipient: read \(row.mine) of \(due.mine)")
    }
    return texts
  }
}
