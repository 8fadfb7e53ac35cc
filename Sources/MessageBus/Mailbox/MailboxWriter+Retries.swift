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
    var lookups = RedisBatch()
    var isSuspect: [Bool] = []
    for group in groups {
      isSuspect.append(group.items.contains { self.mayBeRepeat($0) })
      guard isSuspect.last == true else { continue }
      lookups.newestEntries(
        of: self.keys.mailbox(group.recipient), maximum: BusLimits.retryWindowEntries)
    }
    guard !lookups.isEmpty else { return groups }

    let replies = await self.client.execute(lookups)
    var index = 0
    var result: [Group] = []
    for (var group, isSuspect) in zip(groups, isSuspect) {
      if isSuspect {
        let known = try Self.unlessRefused { () throws(RedisError) in
          try Mailbox.entries(replies, at: index)
        }
        index += 1
        self.removeRepeats(from: &group, known: known ?? [])
      }
      if !group.items.isEmpty { result.append(group) }
    }
    return result
  }

  private func mayBeRepeat(_ item: Item) -> Bool {
    item.envelope.flags.contains(.retry) || self.storedRetries.mayContain(item)
  }

  private func removeRepeats(from group: inout Group, known: [Mailbox.Entry]) {
    var kept: [Item] = []
    for item in group.items {
      if self.mayBeRepeat(item), Self.isKnown(item, in: known, or: kept) {
        self.tally.clientRepeats += 1
        continue
      }
      kept.append(item)
      if item.envelope.flags.contains(.retry) { self.storedRetries.insert(item) }
    }
    group.items = kept
  }

  /// Whether the same message stands there as another entry of the bus.
  private static func isKnown(
    _ item: Item, in entries: [Mailbox.Entry], or kept: [Item]
  ) -> Bool {
    entries.contains { entry in
      guard let envelope = entry.envelope else { return false }
      return envelope.isRepeat(of: item.envelope)
        && envelope.origin(at: entry.offset) != item.offset
    } || kept.contains { $0.envelope.isRepeat(of: item.envelope) }
  }
}
