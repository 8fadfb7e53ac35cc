import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// Stores a batch of bus entries in their recipients' mailboxes, each once, in order.
///
/// One pipeline per batch. Per recipient: the new entries under their bus offsets, then the
/// mailbox's length, then the recipient's sessions; for a mailbox that is not remembered its length
/// before that, too. In that order on one node, so that a device that
/// connects meanwhile is either seen here, or sees the entry in the mailbox, or both.
///
/// The bus offset is the identity: a mailbox takes only ids above its top, so Redis itself refuses an
/// entry that was stored before.
///
/// Here is what every batch takes. What is rare is in extensions: refusals, which are checked all the
/// same, in `MailboxWriter+Refusals`, what a client sends again in `MailboxWriter+Retries`, full
/// mailboxes in `MailboxWriter+Room`, and trimming, between batches, in `MailboxWriter+Trimming`. What is
/// remembered of mailboxes is decided by `MailboxStateMachine`.
package final class MailboxWriter {
  let keys: Keys
  let client: any RedisClient
  let limits: MailboxLimits
  let durability: Durability
  let fence: GroupConsumer.Fence?
  var mailboxes: MailboxStateMachine
  var storedRetries = StoredRetries(capacity: MessagingLimits.rememberedRetries)
  var searchedMailboxes = SearchedMailboxes(capacity: MessagingLimits.rememberedSearchedEntries)
  var trimTimer: Scheduled<Void>?
  /// Entries up to here may have been handled before.
  var seenBefore = Offset.zero
  var tally = Tally()

  /// A writer that remembers the mailboxes it wrote last. On the client's event loop only.
  ///
  /// - Parameter durability: which replicas must have what is stored before it counts as stored.
  /// - Parameter fence: what must stand where it is not certain that an entry is new: an owner that
  ///   was paused for long may have entries at hand that others have stored and that are trimmed by
  ///   now.
  package init(
    keys: Keys, client: any RedisClient, limits: MailboxLimits = MailboxLimits(),
    durability: Durability = .accepted,
    remembering mailboxes: Int = MessagingLimits.rememberedMailboxes,
    fence: GroupConsumer.Fence? = nil
  ) {
    self.keys = keys
    self.client = client
    self.limits = limits
    self.durability = durability
    self.fence = fence
    self.mailboxes = MailboxStateMachine(limits: limits, remembering: max(2, mailboxes))
  }

  /// Stores items in the order of the bus.
  ///
  /// - Parameter seenBefore: everything up to here may have been given before, to this writer or
  ///   another.
  /// - Returns: per recipient, in the order in which recipients first occur.
  /// - Throws: when something was not answered, not confirmed by as many replicas as must have it, or
  ///   refused for a reason that passes (``RedisServerError/isTransient``). Then nothing is certain, and
  ///   the whole batch is to be given again, before any other: what was stored is recognised.
  package func store(
    _ items: [Item], seenBefore: Offset = .zero
  ) async throws(RedisError) -> [Stored] {
    self.seenBefore = seenBefore
    self.mailboxes.trimming.batchBegan()
    defer { self.carryOut(self.mailboxes.trimming.batchEnded()) }
    do throws(RedisError) {
      return try await self.storeAll(items)
    } catch {
      // Redis may have forgotten some of what was read before.
      self.searchedMailboxes.removeAll()
      throw error
    }
  }

  private func storeAll(_ items: [Item]) async throws(RedisError) -> [Stored] {
    let nowSeconds = Self.nowSeconds()
    var groups = Self.grouped(items)
    if items.contains(where: { self.mayBeRepeat($0) }) {
      groups = try await self.withoutRepeats(groups)
    }
    if groups.contains(where: { !self.hasRoom(for: $0) }) {
      try await self.makeRoom(in: &groups)
    }
    for index in groups.indices {
      groups[index].plan = self.mailboxes.plan(
        for: groups[index].recipient, nowSeconds: nowSeconds)
    }
    var batch = self.durability.batch()
    let places = groups.map { self.append($0, to: &batch) }
    let replies = await self.client.execute(batch)
    var result: [Stored] = []
    result.reserveCapacity(groups.count)
    for (group, places) in zip(groups, places) {
      let answers = try self.answers(to: group, at: places, replies)
      self.tally.stored += answers.written.count
      if let lengthAfter = answers.lengthAfter, answers.collided.isEmpty {
        result.append(self.outcome(of: group, answers, lengthAfter, nowSeconds: nowSeconds))
      } else {
        result.append(try await self.outcomeOfRefusals(of: group, answers, nowSeconds: nowSeconds))
      }
    }
    return result
  }

  private func outcome(
    of group: Group, _ answers: Answers, _ lengthAfter: Int, nowSeconds: Int
  ) -> Stored {
    var stored = Stored(group, answers)
    stored.originals += answers.written.compactMap { self.original(of: $0) }
    stored.originals += group.repeats.compactMap { self.original(of: $0) }
    // What was sent again has the place of the first, which others may follow.
    if !group.originals.isEmpty || !group.repeats.isEmpty {
      stored.originals.sort { $0.peerOffset < $1.peerOffset }
    }
    guard let last = answers.written.last else { return stored }
    let write = MailboxWrite(
      entries: answers.written.count, bytes: answers.written.byteCount, last: last.offset,
      lengthBefore: answers.lengthBefore, lengthAfter: lengthAfter)
    var chain = self.mailboxes.wrote(write, to: group.recipient, nowSeconds: nowSeconds)
    stored.pushes = answers.written.map { item in
      MailboxPush(
        previous: chain.append(item.offset), offset: item.offset,
        payload: item.payload)
    }
    return stored
  }

  private static func nowSeconds() -> Int {
    Int(NIODeadline.now().uptimeNanoseconds / 1_000_000_000)
  }
}
