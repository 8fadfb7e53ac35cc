import ConnectProtocol
import MessageBus
import Redis

/// The rare case: entries that the mailbox refused as not above its top.
extension MailboxWriter {
  /// The outcome where entries were refused as not above the top, or the mailbox is not a stream.
  func outcomeOfRefusals(
    of group: Group, _ answers: Answers, nowSeconds: Int
  ) async throws(RedisError) -> Stored {
    var stored = Stored(group, answers)
    guard let lengthAfter = answers.lengthAfter else {
      // Not to be told apart from what was not stored: to be given again.
      stored.refused += answers.collided.map {
        ($0, RedisServerError("the key of this mailbox is not a stream: rename or delete it"))
      }
      return stored
    }
    let resolution = try await self.resolve(
      answers.collided, for: group.recipient, room: group.room)
    let write = MailboxWrite(
      entries: answers.written.count + resolution.added,
      bytes: answers.written.byteCount + resolution.addedBytes, last: .zero,
      lengthBefore: answers.lengthBefore, lengthAfter: lengthAfter + resolution.added)
    self.mailboxes.wrote(write, to: group.recipient, nowSeconds: nowSeconds)
    stored.refused += resolution.refused
    stored.overflowed += resolution.overflowed
    stored.pushes = resolution.pushes
    stored.pushes += answers.written.map {
      MailboxPush(previous: .zero, offset: $0.offset, payload: $0.payload)
    }
    stored.originals += resolution.originals
    stored.originals += answers.written.compactMap { self.original(of: $0) }
    stored.originals += group.repeats.compactMap {
      self.original(of: $0, places: resolution.places)
    }
    // What was put above the top comes after what was written before it.
    stored.pushes.sort { $0.offset < $1.offset }
    stored.originals.sort { $0.peerOffset < $1.peerOffset }
    return stored
  }

  /// Outcome for refused entries.
  struct Resolution {
    /// For all entries in the mailbox, since an earlier push may have failed.
    var pushes: [MailboxPush] = []
    var refused: [(Item, RedisServerError)] = []
    var overflowed: [Item] = []
    /// Messages to be copied.
    var originals: [Original] = []
    /// Where the mailbox has them, by their offsets on the bus.
    var places: [Offset: Offset] = [:]
    /// Entries that were stored now.
    var added = 0
    /// Bytes of these entries.
    var addedBytes = 0
  }

  /// Finds out for each refused entry whether it was stored before, and stores it if it was not.
  ///
  /// It was not if an earlier write of it failed while a later one went through, if clocks differed
  /// across a failover, or if a bus that was lost has given an offset again. Then it goes above the top,
  /// under a fresh offset, with the one it had on the bus noted.
  func resolve(
    _ items: [Item], for recipient: UserName, room: MailboxRoom
  ) async throws(RedisError) -> Resolution {
    var resolution = Resolution()
    do throws(RedisError) {
      let absent = try await self.absent(items, for: recipient, into: &resolution)
      try await self.relocate(absent, for: recipient, room: room, into: &resolution)
      self.tally.stored += resolution.added
      self.tally.busRepeats += resolution.pushes.count - resolution.added
      // Found, not written now: whoever wrote it may not have waited for the replicas.
      if resolution.pushes.count > resolution.added { try await self.confirm(recipient) }
    } catch .server(let error) where !error.isTransient {
      resolution.refused += items.map { ($0, error) }
      resolution.pushes = []
      resolution.originals = []
    }
    return resolution
  }

  /// The items that are not in the mailbox under their own offsets; nearly always none.
  private func absent(
    _ items: [Item], for recipient: UserName, into resolution: inout Resolution
  ) async throws(RedisError) -> [Item] {
    let mailbox = self.keys.mailbox(recipient)
    var lookups = RedisBatch()
    let places = items.map {
      lookups.entries(of: mailbox, after: $0.offset.predecessor, maximum: 1)
    }
    let highestRemoved = Cursors.removed(from: self.keys.cursor(recipient), to: &lookups)
    let replies = await self.client.execute(lookups)
    let removed = try replies[highestRemoved]
    var absent: [Item] = []
    for (item, place) in zip(items, places) {
      if let entry = Self.entry(of: item, among: try replies[place].map(Mailbox.Entry.init)) {
        self.found(item, at: entry, into: &resolution)
      } else if self.wasRemoved(item, through: removed) {
        self.wasStored(item, into: &resolution)
      } else {
        absent.append(item)
      }
    }
    return absent
  }

  /// Makes sure that the replicas have all of a mailbox.
  ///
  /// They are asked about what *this* connection wrote last, and what was stored may have been
  /// written over another one: so it writes something, after which they must have everything before.
  private func confirm(_ recipient: UserName) async throws(RedisError) {
    guard self.durability.replicas > 0 else { return }
    var batch = self.durability.batch()
    let seconds = self.limits.retentionSeconds + BusLimits.mailboxExpirySlackSeconds
    let written = batch.expire(self.keys.mailbox(recipient), seconds: seconds)
    try await self.client.execute(batch).checkConfirmed(written)
  }

  /// Whether an item that is nowhere was stored once, and removed since.
  ///
  /// Only one that may have been given before can have been. Another one that is not above what was
  /// removed comes from a bus whose ids went back: it was lost, or a clock was set.
  private func wasRemoved(_ item: Item, through removed: Offset) -> Bool {
    item.offset <= removed && item.offset <= self.seenBefore
  }

  /// The entry that an item repeats: with its offset on the bus, its sender and its id. The offset alone is
  /// not enough: a bus that has lost its streams may give one again, in the same millisecond or by a clock
  /// that was set back.
  private static func entry(of item: Item, among entries: [Mailbox.Entry]) -> Mailbox.Entry? {
    entries.first { entry in
      guard let envelope = entry.envelope, envelope.origin(at: entry.offset) == item.offset else {
        return false
      }
      return envelope.isRepeat(of: item.envelope)
    }
  }

  /// An item is in the mailbox already.
  private func found(
    _ item: Item, at entry: Mailbox.Entry, into resolution: inout Resolution
  ) {
    guard let envelope = entry.envelope else { return }
    resolution.places[item.offset] = entry.offset
    resolution.pushes.append(
      MailboxPush(previous: .zero, offset: entry.offset, payload: .read(envelope.bytes)))
    if let original = self.original(of: item, at: entry) { resolution.originals.append(original) }
  }

  /// An item was in the mailbox, and is removed: nobody is to see it any more but its sender, who may not
  /// have its copy.
  private func wasStored(_ item: Item, into resolution: inout Resolution) {
    if let original = self.original(of: item, wasStored: true) {
      resolution.originals.append(original)
    }
  }

  /// Puts entries that are nowhere above the top, in order.
  ///
  /// Each is written right above the top of a ``View``, so that it is refused if anybody wrote after
  /// that view was taken: of two owners that look for the same entry at once, one stores it, and the
  /// other one finds it when it looks again.
  private func relocate(
    _ items: [Item], for recipient: UserName, room: MailboxRoom, into resolution: inout Resolution
  ) async throws(RedisError) {
    guard !items.isEmpty else { return }
    var room = room
    try await self.checkFence()
    var view: View?
    var attempts = 0
    var index = 0
    while index < items.count {
      let item = items[index]
      var current: View
      if let view {
        current = view
      } else {
        guard attempts < MessagingLimits.relocationAttempts else {
          throw .withheld("another writer took the place above a mailbox's top each time")
        }
        attempts += 1
        current = try await self.view(of: recipient, for: items[index...])
      }
      view = current
      if let entry = Self.entry(of: item, among: current.found) {
        self.found(item, at: entry, into: &resolution)
      } else if self.wasRemoved(item, through: current.removed) {
        self.wasStored(item, into: &resolution)
      } else if !room.fits(item) {
        resolution.overflowed.append(item)
      } else if let push = try await self.write(item, above: current.top, for: recipient) {
        current.top = push.offset
        view = current
        room.take(item)
        resolution.places[item.offset] = push.offset
        resolution.added += 1
        resolution.addedBytes += push.payload.count
        resolution.pushes.append(push)
        if let original = self.original(of: item, relocatedTo: push.offset) {
          resolution.originals.append(original)
        }
      } else {
        view = nil
        continue
      }
      attempts = 0
      index += 1
    }
  }

  private func checkFence() async throws(RedisError) {
    guard let fence = self.fence else { return }
    guard try await self.client.value({ $0.value(of: fence.key) }) == fence.value else {
      throw .withheld("another instance owns the partition by now")
    }
  }

  /// Nil if the mailbox has an entry there already.
  private func write(
    _ item: Item, above top: Offset, for recipient: UserName
  ) async throws(RedisError) -> MailboxPush? {
    // The mailbox itself may have been lost since it refused the entry.
    let isRelocated = item.offset <= top
    let offset = isRelocated ? top.successor : item.offset
    let payload: MailboxPush.Payload =
      isRelocated
      ? .made(item.envelope.relocated(from: item.offset)) : item.payload
    guard offset > top else {
      throw .server(
        RedisServerError(
          "the mailbox's top is the largest offset there is: its last entry was written by hand"))
    }
    var write = self.durability.batch()
    let written = payload.withUnsafeBytes { bytes in
      write.addEntry(to: self.keys.mailbox(recipient), at: offset, count: bytes.count) {
        $0.copyMemory(from: bytes)
      }
    }
    do throws(RedisError) {
      try await self.client.execute(write).checkConfirmed(written)
      if isRelocated { self.tally.relocated += 1 }
      return MailboxPush(previous: .zero, offset: offset, payload: payload)
    } catch .server(let error) where error.isAtOrBelowTop {
      return nil
    }
  }

  /// The top of a mailbox, and the entries below it that were searched for.
  private struct View {
    /// The id above which the mailbox accepts entries; the entry that had it may be removed.
    var top: Offset
    /// Found among the newest entries, since they were stored above the top of that time.
    var found: [Mailbox.Entry] = []
    var removed = Offset.zero
  }

  /// Takes a view: the top first, so that what is written meanwhile is above it, and what was removed
  /// last, so that an entry which is removed meanwhile is either found or known as removed.
  ///
  /// Much to read, if in portions, and so only for entries that are not where
  /// they belong.
  private func view(
    of recipient: UserName, for items: ArraySlice<Item>
  ) async throws(RedisError) -> View {
    let mailbox = self.keys.mailbox(recipient)
    let sought = Set(items.map(\.offset))
    var view = View(top: try await self.client.value { $0.top(of: mailbox) })
    var newest = NewestEntries()
    var portion = MessagingLimits.retryFirstPortionEntries
    while newest.left > 0 {
      let asked = min(portion, newest.left)
      var batch = RedisBatch()
      let page = newest.next(asked, of: mailbox, to: &batch)
      let removed = Cursors.removed(from: self.keys.cursor(recipient), to: &batch)
      let replies = await self.client.execute(batch)
      let entries = try replies[page].map(Mailbox.Entry.init)
      view.removed = try replies[removed]
      view.found += entries.filter { entry in
        entry.envelope.map { sought.contains($0.origin(at: entry.offset)) } ?? false
      }
      newest.read(entries, asked: asked)
      portion = NewestEntries.nextPortion(
        after: portion, entries: entries.count, bytes: entries.byteCount)
    }
    return view
  }
}
