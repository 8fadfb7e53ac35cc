import ConnectProtocol
import MessageBus
import Redis

/// The rare case: mailboxes that are full.
extension MailboxWriter {
  /// Sets aside what would bring a mailbox beyond ``MailboxLimits/entries`` or
  /// ``MailboxLimits/bytes``, after all that its devices have acked was removed from it.
  ///
  /// An item that is not above a mailbox's top stays: it was stored before, nearly always, and
  /// takes no room; see ``resolve(_:for:room:)``. A mailbox of which nothing is remembered is not
  /// looked at: it may get beyond its limit by one batch.
  func makeRoom(in groups: inout [Group]) async throws(RedisError) {
    let full = groups.indices.filter { !self.hasRoom(for: groups[$0]) }
    var looks = RedisBatch()
    let places = full.map { index in
      let mailbox = self.keys.mailbox(groups[index].recipient)
      return (top: looks.top(of: mailbox), length: looks.length(of: mailbox))
    }
    let replies = await self.client.execute(looks)
    var crowded: [(index: Int, top: Offset)] = []
    for (index, place) in zip(full, places) {
      // A key of another type: it refuses its items by itself.
      guard let top = try replies.unlessRefused(place.top),
        let length = try replies.unlessRefused(place.length)
      else { continue }
      self.mailboxes.counted(length, of: groups[index].recipient)
      let added = groups[index].items.filter { $0.offset > top }
      guard var room = self.mailboxes.room(of: groups[index].recipient) else { continue }
      guard room.fits(added) else {
        crowded.append((index, top))
        continue
      }
      for item in added { room.take(item) }
      groups[index].room = room
    }
    var unfinished = crowded
    for _ in 0..<MessagingLimits.trimsPerBatch where !unfinished.isEmpty {
      let more = try await self.trimAcked(unfinished.map { groups[$0.index].recipient })
      unfinished.removeAll { index, top in
        let group = groups[index]
        guard more.contains(group.recipient), let room = self.mailboxes.room(of: group.recipient)
        else { return true }
        return room.fits(group.items.filter { $0.offset > top })
      }
    }
    for (index, top) in crowded {
      guard let room = self.mailboxes.room(of: groups[index].recipient) else { continue }
      groups[index].keep(room, above: top)
    }
  }

  /// True, too, if nothing is known of the mailbox.
  func hasRoom(for group: Group) -> Bool {
    self.mailboxes.room(of: group.recipient)?.fits(group.items) ?? true
  }

  /// Removes acked entries of full mailboxes; none from those that refuse. Takes over how long they are
  /// then, and, where that is not certain, how large.
  ///
  /// - Returns: those that may have more to remove than one call does.
  private func trimAcked(_ given: [UserName]) async throws(RedisError) -> Set<UserName> {
    let unmeasured = given.filter { self.mailboxes[$0]?.isMeasured == false }
    let outcomes = await withCheckedContinuation { continuation in
      self.trim(given, makesRoom: true, measuring: unmeasured) {
        continuation.resume(returning: $0)
      }
    }
    var more: Set<UserName> = []
    for (user, maximum, result) in outcomes {
      switch result {
      case .success(let trim): if trim.removed == maximum { more.insert(user) }
      case .failure(.server(let error)) where !error.isTransient: continue
      case .failure(let error): throw error
      }
    }
    return more
  }
}

extension MailboxWriter.Group {
  /// Keeps items that are not above `top`, and of the others those that fit.
  fileprivate mutating func keep(_ room: MailboxRoom, above top: Offset) {
    self.room = room
    var kept: [MailboxWriter.Item] = []
    for item in self.items {
      if item.offset <= top {
        kept.append(item)
      } else if self.room.fits(item) {
        self.room.take(item)
        kept.append(item)
      } else {
        self.overflowed.append(item)
      }
    }
    self.items = kept
  }
}
