import ConnectProtocol
import MessageBus
import Redis

/// The commands of a batch, and their replies.
extension MailboxWriter {
  /// The part of one recipient.
  struct Group {
    let recipient: UserName
    var items: [Item]
    /// Work on the mailbox beside the write.
    var plan = MailboxStateMachine.Plan()
    /// Items for which the mailbox has no room.
    var overflowed: [Item] = []
    /// Messages to be copied that the mailbox has already.
    var originals: [Original] = []
    /// Messages of the batch that are sent again in it.
    var repeats: [Repeat] = []
    /// Room for further items.
    var room = MailboxRoom()
  }

  /// Redis's replies to one group.
  struct Answers {
    var lengthBefore: Int?
    /// Nil if the key is not a stream.
    var lengthAfter: Int?
    var sessions: [Session] = []
    var written: [Item] = []
    /// Items whose offsets are not above the mailbox's top.
    var collided: [Item] = []
    /// Items refused for a lasting reason.
    var refused: [(Item, RedisServerError)] = []

    fileprivate mutating func sort(_ item: Item, _ error: RedisServerError?) throws(RedisError) {
      guard let error else { return self.written.append(item) }
      if error.isAtOrBelowTop { return self.collided.append(item) }
      if error.isTransient { throw .server(error) }
      self.refused.append((item, error))
    }
  }

  static func grouped(_ items: [Item]) -> [Group] {
    if items.count == 1 { return [Group(recipient: items[0].recipient, items: items)] }
    var groups: [Group] = []
    var places: [UserName: Int] = [:]
    for item in items {
      if let place = places[item.recipient] {
        groups[place].items.append(item)
      } else {
        places[item.recipient] = groups.count
        groups.append(Group(recipient: item.recipient, items: [item]))
      }
    }
    return groups
  }

  /// The replies to one group.
  struct Places {
    /// Nil if the mailbox is remembered.
    var lengthBefore: Reply<Int>?
    var written: Write
    var lengthAfter: Reply<Int>
    var sessions: Reply<[Session]>
    /// Nil unless the expiry is put off.
    var expiries: (mailbox: Reply<Bool>, cursor: Reply<Bool>)?

    enum Write {
      case nothing
      case one(Reply<Offset>)
      case all(TransactionReply<Offset>)
    }
  }

  /// Appends the commands of one group.
  func append(_ group: Group, to batch: inout RedisBatch) -> Places {
    let mailbox = self.keys.mailbox(group.recipient)
    let lengthBefore = group.plan.readsLength ? batch.length(of: mailbox) : nil
    let written = Self.write(group.items, to: mailbox, &batch)
    var places = Places(
      lengthBefore: lengthBefore, written: written, lengthAfter: batch.length(of: mailbox),
      sessions: SessionRegistry.sessions(self.keys.session(group.recipient), to: &batch))
    if group.plan.putsOffExpiry {
      let seconds = self.limits.retentionSeconds + BusLimits.mailboxExpirySlackSeconds
      places.expiries = (
        batch.expire(mailbox, seconds: seconds),
        batch.expire(self.keys.cursor(group.recipient), seconds: seconds)
      )
    }
    return places
  }

  /// Redis may refuse one entry and take the next: memory is full now and free again a moment later. Then
  /// the first could only be put behind the second. So several go all or none.
  private static func write(
    _ items: [Item], to mailbox: RedisKey, _ batch: inout RedisBatch
  ) -> Places.Write {
    guard let first = items.first else { return .nothing }
    if items.count == 1 { return .one(Self.add(first, to: mailbox, &batch)) }
    return .all(
      batch.transaction(on: mailbox, of: Offset.read) { batch in
        for item in items { Self.add(item, to: mailbox, &batch) }
      })
  }

  @discardableResult
  private static func add(
    _ item: Item, to mailbox: RedisKey, _ batch: inout RedisBatch
  ) -> Reply<Offset> {
    item.payload.withUnsafeBytes { bytes in
      batch.addEntry(to: mailbox, at: item.offset, count: bytes.count) {
        $0.copyMemory(from: bytes)
      }
    }
  }

  /// Reads the replies to one group.
  ///
  /// - Throws: when something was not answered, not confirmed, or refused for a reason that passes.
  func answers(
    to group: Group, at places: Places, _ replies: RedisReplies
  ) throws(RedisError) -> Answers {
    var answers = Answers()
    answers.lengthBefore = try places.lengthBefore.flatMap { length throws(RedisError) in
      try replies.unlessRefused(length)
    }
    try Self.read(places.written, of: group.items, replies, into: &answers)
    answers.lengthAfter = try replies.unlessRefused(places.lengthAfter)
    // Only a hint, and no repeat would help.
    answers.sessions = try replies.unlessRefused(places.sessions) ?? []
    if let (mailbox, cursor) = places.expiries {
      _ = try replies.unlessRefused(mailbox)
      _ = try replies.unlessRefused(cursor)
    }
    return answers
  }

  private static func read(
    _ written: Places.Write, of items: [Item], _ replies: RedisReplies, into answers: inout Answers
  ) throws(RedisError) {
    switch written {
    case .nothing: break
    case .one(let reply):
      let refusal = try replies.refusal(of: reply)
      if refusal == nil { try replies.checkConfirmed(reply) }
      try answers.sort(items[0], refusal)
    case .all(let transaction):
      try replies.checkBegun(transaction)
      do throws(RedisError) {
        for (item, outcome) in zip(items, try replies[transaction]) {
          try answers.sort(item, outcome.failure)
        }
      } catch .server(let error) where !error.isTransient {
        // What was wrong with one command while it was queued is wrong with all.
        for item in items { try answers.sort(item, error) }
        return
      }
      try replies.checkConfirmed(transaction)
    }
  }
}

extension Result {
  fileprivate var failure: Failure? {
    if case .failure(let error) = self { error } else { nil }
  }
}

extension RedisServerError {
  /// Whether XADD refused an id that is not above the stream's last.
  var isAtOrBelowTop: Bool {
    self.message.hasPrefix("ERR The ID specified in XADD is equal or smaller")
  }
}
