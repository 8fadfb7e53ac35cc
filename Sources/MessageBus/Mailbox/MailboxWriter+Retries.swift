import ConnectProtocol
import Redis

/// What is rare: messages that a client sent more than once.
extension MailboxWriter {
  /// Leaves out what a client has sent again and the mailbox, or the batch before it, has already.
  ///
  /// Only messages that say `retry` are looked up, and those that come after such a message of the
  /// same sender and id, among the mailbox's newest
  /// ``BusLimits/retryWindowEntries``. An entry that finds *itself* there is not a client's repeat
  /// but the bus's: it stays, and is recognised by its offset.
  func withoutRepeats(_ groups: [Group]) async throws(RedisError) -> [Group] {
    var searches: [Int: RetrySearch] = [:]
    for (index, group) in groups.enumerated() {
      let isSought = group.items.map { self.mayBeRepeat($0) }
      if isSought.contains(true) {
        searches[index] = RetrySearch(group.items, isSought: isSought)
      }
    }
    guard !searches.isEmpty else { return groups }

    var portion = BusLimits.retryFirstPortionEntries
    var open = searches.keys.sorted()
    while !open.isEmpty {
      portion = try await self.search(&searches, open, of: groups, portion: portion)
      open.removeAll { searches[$0]?.isDone != false }
    }
    var result: [Group] = []
    for (index, var group) in groups.enumerated() {
      if let search = searches[index] { self.removeRepeats(from: &group, search.isKnown) }
      if !group.items.isEmpty { result.append(group) }
    }
    return result
  }

  /// Reads one portion for the first of the searches that are open.
  ///
  /// A batch may name as many mailboxes as it has entries, and each entry of theirs may be as large as
  /// a frame: all of it at once would be more than Redis, the network and our memory bear, again and
  /// again.
  ///
  /// - Returns: how many entries the next portion may have.
  private func search(
    _ searches: inout [Int: RetrySearch], _ open: [Int], of groups: [Group], portion: Int
  ) async throws(RedisError) -> Int {
    let asked = open.prefix(max(1, portion / BusLimits.retryEntriesPerMailbox))
    var lookups = RedisBatch()
    var maxima: [Int] = []
    for index in asked {
      guard let search = searches[index] else { preconditionFailure("an open search is known") }
      let maximum = min(max(1, portion / asked.count), search.newest.left)
      search.newest.next(
        maximum, of: self.keys.mailbox(groups[index].recipient), to: &lookups)
      maxima.append(maximum)
    }
    let replies = await self.client.execute(lookups)
    var entries = 0
    var bytes = 0
    for (position, index) in asked.enumerated() {
      let found =
        try Self.unlessRefused { () throws(RedisError) in
          try Mailbox.entries(replies, at: position)
        } ?? []
      searches[index]?.read(found, asked: maxima[position])
      entries += found.count
      bytes += found.byteCount
    }
    return NewestEntries.nextPortion(after: portion, entries: entries, bytes: bytes)
  }

  private func mayBeRepeat(_ item: Item) -> Bool {
    item.envelope.flags.contains(.retry) || self.storedRetries.mayContain(item)
  }

  /// - Parameter isKnown: whether each of the items stands in the mailbox as another entry of the bus.
  private func removeRepeats(from group: inout Group, _ isKnown: [Bool]) {
    var kept: [Item] = []
    for (item, isKnown) in zip(group.items, isKnown) {
      if self.mayBeRepeat(item),
        isKnown || kept.contains(where: { $0.envelope.isRepeat(of: item.envelope) })
      {
        self.tally.clientRepeats += 1
        continue
      }
      kept.append(item)
      if item.envelope.flags.contains(.retry) { self.storedRetries.insert(item) }
    }
    group.items = kept
  }
}
