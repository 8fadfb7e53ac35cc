import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// The rare case: messages that a client sent more than once.
extension MailboxWriter {
  /// The items of a batch in the parts in which they are to be stored, one after the other.
  ///
  /// Recipients for whom a message must be looked up come last, with all of theirs, since each
  /// mailbox keeps the order of the bus: so the others do not wait for the look-ups.
  package func parts(of items: [Item]) -> [[Item]] {
    var sought: Set<UserName> = []
    for item in items where self.mayBeRepeat(item) { sought.insert(item.recipient) }
    guard !sought.isEmpty else { return items.isEmpty ? [] : [items] }
    var now: [Item] = []
    var later: [Item] = []
    for item in items {
      if sought.contains(item.recipient) { later.append(item) } else { now.append(item) }
    }
    return now.isEmpty ? [later] : [now, later]
  }

  /// Leaves out what a client has sent again and the mailbox, or the batch before it, has already.
  ///
  /// Only messages that say `retry` are looked up, and those that come after such a message of the
  /// same sender and id, among the mailbox's newest ``MessagingLimits/retryWindowEntries`` and within
  /// ``MessagingLimits/retryBytes`` and ``MessagingLimits/retryMilliseconds`` for all mailboxes of a batch. An
  /// entry that finds *itself* there is not a client's repeat but the bus's: it stays, and is
  /// recognised by its offset.
  func withoutRepeats(_ groups: [Group]) async throws(RedisError) -> [Group] {
    var searches: [RetrySearch] = []
    /// Progress of the search of each group.
    var places: [Int: Int] = [:]
    for (index, group) in groups.enumerated()
    where group.items.contains(where: { self.mayBeRepeat($0) }) {
      places[index] = searches.count
      searches.append(
        RetrySearch(
          group.items, isSought: group.items.map { self.mayBeRepeat($0) }, in: group.recipient,
          earlier: self.searchedMailboxes[group.recipient]))
    }
    searches = try await self.carryOut(
      RetryLookups(searches, milliseconds: self.limits.lookUpMilliseconds))
    for search in searches {
      if let window = search.window { self.searchedMailboxes.insert(window, for: search.recipient) }
    }
    var result: [Group] = []
    for (index, var group) in groups.enumerated() {
      if let place = places[index] { self.removeRepeats(from: &group, searches[place].known) }
      if !group.items.isEmpty || !group.originals.isEmpty { result.append(group) }
    }
    return result
  }

  /// Performs the reads of the look-ups, one portion at a time.
  private func carryOut(_ lookups: RetryLookups) async throws(RedisError) -> [RetrySearch] {
    var lookups = lookups
    let start = NIODeadline.now()
    while true {
      let elapsed = (NIODeadline.now() - start).nanoseconds / 1_000_000
      let asks = lookups.next(elapsedMilliseconds: elapsed)
      guard !asks.isEmpty else { break }
      var batch = RedisBatch()
      let places = asks.map { ask in
        let search = lookups.searches[ask.search]
        return search.append(ask.question, of: self.keys.mailbox(search.recipient), to: &batch)
      }
      let replies = await self.client.execute(batch)
      var answers: [[Mailbox.Entry]] = []
      for places in places {
        var entries: [Mailbox.Entry] = []
        for place in places {
          entries += try replies.unlessRefused(place)?.map(Mailbox.Entry.init) ?? []
        }
        answers.append(entries)
      }
      lookups.read(answers, to: asks)
    }
    self.tally.lookups += lookups.searches.count
    self.tally.lookupBytes += lookups.bytes
    self.tally.cutLookups += lookups.cut
    return lookups.searches
  }

  /// A failure is none: the same message may fail each time it is sent.
  func mayBeRepeat(_ item: Item) -> Bool {
    item.envelope.kind != .failed
      && (item.envelope.flags.contains(.retry) || self.storedRetries.mayContain(item))
  }

  /// - Parameter known: For each item, the mailbox's entry of the same message, if that was another entry of
  ///   the bus.
  private func removeRepeats(from group: inout Group, _ known: [Mailbox.Entry?]) {
    var kept: [Item] = []
    for (item, known) in zip(group.items, known) {
      if self.mayBeRepeat(item), !Self.isRevocation(item, behind: kept) {
        if let known {
          self.tally.clientRepeats += 1
          if let original = self.original(of: item, at: known) { group.originals.append(original) }
          continue
        }
        if let first = kept.first(where: { $0.envelope.isRepeat(of: item.envelope) }) {
          self.tally.clientRepeats += 1
          group.repeats.append(Repeat(item: item, first: first))
          continue
        }
      }
      kept.append(item)
      if item.envelope.flags.contains(.retry) { self.storedRetries.insert(item) }
    }
    group.items = kept
  }

  /// Whether an item is the copy of a message of which the last news before it, in its batch, is that it
  /// could not be stored.
  private static func isRevocation(_ item: Item, behind items: [Item]) -> Bool {
    items.last {
      $0.envelope.isRevoked(by: item.envelope) || $0.envelope.isRepeat(of: item.envelope)
    }?.envelope.kind == .failed
  }
}
