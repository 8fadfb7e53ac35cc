import ConnectProtocol
import Redis

/// What is rare: mailboxes that are full.
extension MailboxWriter {
  /// Sets aside what would bring a mailbox beyond ``MailboxLimits/entries``, after all that its
  /// devices have acked was removed from it.
  ///
  /// What is not above a mailbox's top stays: it was stored before, nearly always, and takes no room;
  /// see ``resolve(_:for:room:)``. A mailbox of which nothing is remembered is not looked at: it may
  /// get beyond its limit by one batch.
  func makeRoom(in groups: inout [Group]) async throws(RedisError) {
    let full = groups.indices.filter { index in
      guard let length = self.lastWrites[groups[index].recipient]?.length else { return false }
      return length + groups[index].items.count > self.limits.entries
    }
    guard !full.isEmpty else { return }

    var looks = RedisBatch()
    for index in full {
      let mailbox = self.keys.mailbox(groups[index].recipient)
      looks.information(of: mailbox)
      looks.length(of: mailbox)
    }
    let replies = await self.client.execute(looks)
    var crowded: [(index: Int, top: Offset, length: Int)] = []
    for (place, index) in full.enumerated() {
      let look = try Self.unlessRefused { () throws(RedisError) in
        (try Mailbox.top(replies, at: 2 * place), try Self.length(replies, at: 2 * place + 1))
      }
      // A key of another type: it refuses its items by itself.
      guard let (top, length) = look else { continue }
      let recipient = groups[index].recipient
      let added = groups[index].items.count { $0.offset > top }
      if length + added > self.limits.entries {
        crowded.append((index, top, length))
      } else {
        groups[index].room = self.limits.entries - length - added
      }
      self.correct(recipient, length: length)
    }
    let lengths = try await self.trimAcked(crowded.map { groups[$0.index].recipient })
    for (index, top, untrimmed) in crowded {
      let length = lengths[groups[index].recipient] ?? untrimmed
      groups[index].keep(room: self.limits.entries - length, above: top)
    }
  }

  /// Removes acked entries of full mailboxes, and answers the lengths; none of those that refuse.
  private func trimAcked(_ users: [UserName]) async throws(RedisError) -> [UserName: Int] {
    guard !users.isEmpty else { return [:] }
    var calls = RedisBatch()
    for user in users {
      MailboxTrim.append(
        of: user, keys: self.keys, limits: self.limits, makesRoom: true, to: &calls)
    }
    var replies = await self.client.execute(calls)
    var lengths: [UserName: Int] = [:]
    func read(_ user: UserName, at index: Int) throws(RedisError) {
      let trim = try Self.unlessRefused { () throws(RedisError) in
        try MailboxTrim(replies, at: index)
      }
      guard let trim else { return }
      self.trimmed(user, trim)
      lengths[user] = trim.length
    }
    for (index, user) in users.enumerated() { try read(user, at: index) }

    var again = RedisBatch()
    let repeated = MailboxTrim.repeatUnknown(
      of: users, keys: self.keys, limits: self.limits, makesRoom: true, replies, to: &again)
    guard !repeated.isEmpty else { return lengths }
    replies = await self.client.execute(again)
    for (user, index) in repeated { try read(user, at: index) }
    return lengths
  }
}

extension MailboxWriter.Group {
  /// Keeps what is not above `top`, and of the rest what there is room for.
  fileprivate mutating func keep(room: Int, above top: Offset) {
    self.room = max(0, room)
    var kept: [MailboxWriter.Item] = []
    for item in self.items {
      if item.offset <= top {
        kept.append(item)
      } else if self.room > 0 {
        self.room -= 1
        kept.append(item)
      } else {
        self.overflowed.append(item)
      }
    }
    self.items = kept
  }
}
