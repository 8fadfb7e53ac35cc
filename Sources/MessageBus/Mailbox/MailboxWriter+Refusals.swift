import ConnectProtocol
import Redis

/// What is rare: entries that the mailbox refused, and messages that a client sent again.
extension MailboxWriter {
  /// Finds out for each refused entry whether it was stored before, and stores it if it was not.
  ///
  /// It was not if an earlier write of it failed while a later one went through, or if clocks
  /// differed across a failover. Then it goes above the top, under a fresh offset, with the one it
  /// had on the bus noted.
  ///
  /// - Returns: pushes for all of them, since the push may be what had failed.
  func resolve(_ items: [Item], for recipient: UserName) async throws(RedisError) -> [Push] {
    let mailbox = self.keys.mailbox(recipient)
    // Nearly always each stands where it belongs.
    var lookups = RedisBatch()
    for item in items {
      lookups.entries(of: mailbox, after: item.offset.predecessor, maximum: 1)
    }
    let replies = await self.client.execute(lookups)
    var newest: [Mailbox.Entry]?
    var pushes: [Push] = []
    for (index, item) in items.enumerated() {
      var push = Self.push(of: item, among: try Mailbox.entries(replies, at: index))
      if push == nil {
        if newest == nil { newest = try await self.newestEntries(of: mailbox) }
        push = Self.push(of: item, among: newest ?? [])
      }
      if let push {
        pushes.append(push)
      } else {
        pushes.append(try await self.storeAboveTop(item, in: mailbox))
      }
    }
    return pushes
  }

  private static func push(of item: Item, among entries: [Mailbox.Entry]) -> Push? {
    for entry in entries {
      guard let envelope = entry.envelope, envelope.origin(at: entry.offset) == item.offset
      else { continue }
      return Push(previous: .zero, offset: entry.offset, payload: .read(envelope.bytes))
    }
    return nil
  }

  /// Where an entry was relocated to: above what was the top then, so near the top. Much to read, and
  /// so read only for an entry that is not where it belongs.
  private func newestEntries(
    of mailbox: RedisKey
  ) async throws(RedisError) -> [Mailbox.Entry] {
    var lookup = RedisBatch()
    lookup.newestEntries(of: mailbox, maximum: BusLimits.retryWindowEntries)
    return try Mailbox.entries(await self.client.execute(lookup), at: 0)
  }

  /// Another writer may take the place above the top meanwhile; then the next one is tried.
  private func storeAboveTop(_ item: Item, in mailbox: RedisKey) async throws(RedisError) -> Push {
    let payload = item.envelope.relocated(from: item.offset)
    while true {
      let top = try await self.top(of: mailbox)
      let offset = max(top, item.offset).successor
      var write = RedisBatch()
      write.addEntry(to: mailbox, at: offset, count: payload.count) { raw in
        payload.withUnsafeBytes { raw.copyMemory(from: $0) }
      }
      do throws(RedisError) {
        try await self.client.execute(write).check()
        return Push(previous: .zero, offset: offset, payload: .made(payload))
      } catch .server(let error) where error.isAtOrBelowTop {
        continue
      }
    }
  }

  /// The id above which a mailbox takes entries: that of an entry which may be there no more.
  private func top(of mailbox: RedisKey) async throws(RedisError) -> Offset {
    var batch = RedisBatch()
    batch.information(of: mailbox)
    return try Offset(lastGeneratedFrom: await self.client.execute(batch).cursor(0))
  }

  /// Leaves out what a client has sent again and the mailbox, or the batch before it, has already.
  ///
  /// Only messages that say `retry` are looked up, among the mailbox's newest
  /// ``BusLimits/retryWindowEntries``. An entry that finds *itself* there is not a client's repeat
  /// but the bus's: it stays, and is recognised by its offset.
  func withoutRepeats(_ groups: [Group]) async throws(RedisError) -> [Group] {
    var lookups = RedisBatch()
    for group in groups where group.hasRetry {
      lookups.newestEntries(
        of: self.keys.mailbox(group.recipient), maximum: BusLimits.retryWindowEntries)
    }
    guard !lookups.isEmpty else { return groups }

    let replies = await self.client.execute(lookups)
    var index = 0
    var result: [Group] = []
    for var group in groups {
      if group.hasRetry {
        let known = try Mailbox.entries(replies, at: index)
        index += 1
        group.removeRepeats(known: known)
      }
      if !group.items.isEmpty { result.append(group) }
    }
    return result
  }
}

extension MailboxWriter.Group {
  fileprivate var hasRetry: Bool { self.items.contains { $0.envelope.flags.contains(.retry) } }

  fileprivate mutating func removeRepeats(known: [Mailbox.Entry]) {
    var kept: [MailboxWriter.Item] = []
    for item in self.items {
      let isRepeat =
        item.envelope.flags.contains(.retry)
        && (known.contains { entry in
          guard let envelope = entry.envelope else { return false }
          return envelope.isRepeat(of: item.envelope)
            && envelope.origin(at: entry.offset) != item.offset
        } || kept.contains { $0.envelope.isRepeat(of: item.envelope) })
      if !isRepeat { kept.append(item) }
    }
    self.items = kept
  }
}
