import ConnectProtocol
import MessageBus
import Redis

/// The commands of a batch, and their replies.
extension MailboxWriter {
  /// The part of one recipient.
  struct Group {
    let recipient: UserName
    var items: [Item]
    /// Whether nothing is known of the mailbox, so that its earlier length must be read.
    var isNew = false
    /// Whether it is long enough since the mailbox was looked after, so that its expiry must be put
    /// off now: the look itself comes later, and not at all if this owner stops before.
    var isDue = false
    /// Items for which the mailbox has no room.
    var overflowed: [Item] = []
    /// Room for further items.
    var room = MailboxRoom()

    /// Redis may refuse one entry and take the next: memory is full now and free again a moment
    /// later. Then the first could only be put behind the second. So several go all or none.
    var isTransaction: Bool { self.items.count > 1 }
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

  func pipeline(for groups: [Group]) -> RedisBatch {
    var batch = self.durability.batch()
    for group in groups {
      let mailbox = self.keys.mailbox(group.recipient)
      if group.isNew { batch.length(of: mailbox) }
      if group.isTransaction {
        batch.transaction(on: mailbox) { Self.add(group.items, to: mailbox, &$0) }
      } else {
        Self.add(group.items, to: mailbox, &batch)
      }
      batch.length(of: mailbox)
      SessionRegistry.sessions(self.keys.session(group.recipient), to: &batch)
      if group.isDue {
        let seconds = self.limits.retentionSeconds + BusLimits.mailboxExpirySlackSeconds
        batch.expire(mailbox, seconds: seconds)
        batch.expire(self.keys.cursor(group.recipient), seconds: seconds)
      }
    }
    return batch
  }

  private static func add(_ items: [Item], to mailbox: RedisKey, _ batch: inout RedisBatch) {
    for item in items {
      item.envelope.bytes.withUnsafeBytes { bytes in
        batch.addEntry(to: mailbox, at: item.offset, count: bytes.count) {
          $0.copyMemory(from: bytes)
        }
      }
    }
  }

  /// Reads what was answered to one group, from `index` on.
  ///
  /// - Throws: when something was not answered, not confirmed, or refused for a reason that passes.
  func answers(
    to group: Group, _ replies: RedisReplies, from index: inout Int
  ) throws(RedisError) -> Answers {
    var answers = Answers()
    if group.isNew {
      answers.lengthBefore = try Self.unlessRefused { () throws(RedisError) in
        try Self.length(replies, at: index)
      }
      index += 1
    }
    if group.isTransaction {
      try Self.readTransaction(of: group, replies, from: index, into: &answers)
      index += group.items.count + 2
    } else {
      for item in group.items {
        let refusal = try Self.refusal(replies, at: index)
        if refusal == nil { try replies.checkConfirmed(index) }
        try answers.sort(item, refusal)
        index += 1
      }
    }
    answers.lengthAfter = try Self.unlessRefused { () throws(RedisError) in
      try Self.length(replies, at: index)
    }
    // Only a hint, and no repeat would mend it.
    answers.sessions =
      try Self.unlessRefused { () throws(RedisError) in
        try SessionRegistry.sessions(replies, at: index + 1)
      } ?? []
    index += 2
    if group.isDue {
      for _ in 0..<2 {
        if let error = try Self.refusal(replies, at: index), error.isTransient {
          throw .server(error)
        }
        index += 1
      }
    }
    return answers
  }

  /// Reads the answers to MULTI, to each command that was queued, and to EXEC.
  private static func readTransaction(
    of group: Group, _ replies: RedisReplies, from start: Int, into answers: inout Answers
  ) throws(RedisError) {
    _ = try replies.cursor(start)
    var queueing: RedisServerError?
    for index in group.items.indices {
      guard let error = try Self.refusal(replies, at: start + 1 + index) else { continue }
      if error.isTransient { throw .server(error) }
      queueing = queueing ?? error
    }
    let end = start + 1 + group.items.count
    if let error = try Self.refusal(replies, at: end) {
      // What was wrong with one command while it was queued is wrong with all.
      for item in group.items { try answers.sort(item, queueing ?? error) }
      return
    }
    var cursor = try replies.cursor(end)
    guard try cursor.array() == group.items.count else {
      throw .unexpectedReply("EXEC answered something other than one reply per command")
    }
    for item in group.items {
      try answers.sort(item, cursor.error)
      cursor.skip()
    }
    try replies.checkConfirmed(end)
  }

  /// The error reply, if it is one. Throws if there was no reply.
  private static func refusal(
    _ replies: RedisReplies, at index: Int
  ) throws(RedisError) -> RedisServerError? {
    do throws(RedisError) {
      _ = try replies.cursor(index)
      return nil
    } catch .server(let error) {
      return error
    }
  }

  static func length(_ replies: RedisReplies, at index: Int) throws(RedisError) -> Int {
    var cursor = try replies.cursor(index)
    return try cursor.count()
  }

  /// Nil if Redis refuses for a lasting reason, such as a key of another type.
  static func unlessRefused<Value>(
    _ read: () throws(RedisError) -> Value
  ) throws(RedisError) -> Value? {
    do throws(RedisError) {
      return try read()
    } catch .server(let error) where !error.isTransient {
      return nil
    }
  }
}

extension RedisBatch {
  /// `EXPIRE`.
  mutating func expire(_ key: RedisKey, seconds: Int) {
    self.append(arguments: 3, key: key, bytes: 6 + key.byteCount + 20) { writer in
      writer.bulk("EXPIRE")
      writer.bulk(key)
      writer.bulk(seconds)
    }
  }
}

extension RedisServerError {
  /// Whether XADD refused an id that is not above the stream's last.
  var isAtOrBelowTop: Bool {
    self.message.hasPrefix("ERR The ID specified in XADD is equal or smaller")
  }
}
