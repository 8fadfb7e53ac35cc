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
/// entry that was stored before. A refusal is checked all the same; see `MailboxWriter+Refusals`.
///
/// It also keeps the mailboxes that it writes within their limits; see `MailboxWriter+Trimming` and
/// `MailboxWriter+Room`.
package final class MailboxWriter {
  /// A bus entry on its way to a mailbox.
  package struct Item {
    package let offset: Offset
    package let envelope: Envelope

    package let recipient: UserName

    /// An entry as it was read from the bus; nil if it has no valid recipient.
    package init?(offset: Offset, envelope: Envelope) {
      guard let recipient = envelope.recipient else { return nil }
      self.offset = offset
      self.envelope = envelope
      self.recipient = recipient
    }
  }

  /// Outcome for one recipient's entries.
  package struct Stored {
    package let recipient: UserName
    /// To be pushed, in mailbox order, with the preceding offsets.
    package internal(set) var pushes: [MailboxPush] = []
    /// Connected devices of the recipient.
    package internal(set) var sessions: [Session] = []
    /// Items that this mailbox did not take, for a reason of its own such as `WRONGTYPE`. They, and
    /// only they, are to be given again, or given up.
    package internal(set) var refused: [(Item, RedisServerError)] = []
    /// Items for which the mailbox has no room: it is full of entries that no device has acked.
    package internal(set) var overflowed: [Item] = []

    init(recipient: UserName) { self.recipient = recipient }
  }

  /// Counts of its work, for metrics.
  package struct Tally: Sendable, Hashable {
    package var stored = 0
    /// Entries of the bus that were in their mailboxes already.
    package var busRepeats = 0
    /// Messages that a client had sent before.
    package var clientRepeats = 0
    /// Entries stored under another offset than the bus's; they are in `stored`, too.
    package var relocated = 0
    /// Look-ups for messages sent again: one per mailbox and batch.
    package var lookups = 0
    package var lookupBytes = 0
    /// Look-ups that ended at ``MessagingLimits/retryBytes`` or ``MessagingLimits/retryMilliseconds``.
    package var cutLookups = 0
  }

  let keys: Keys
  let client: any RedisClient
  let limits: MailboxLimits
  let durability: Durability
  let fence: GroupConsumer.Fence?
  var lastWrites: LastWrites
  var storedRetries = StoredRetries(capacity: MessagingLimits.rememberedRetries)
  var searchedMailboxes = SearchedMailboxes(capacity: MessagingLimits.rememberedSearchedEntries)
  var trimQueue = TrimQueue(capacity: MessagingLimits.mailboxesToTrim)
  var trimTimer: Scheduled<Void>?
  var isTrimming = false
  var isTrimDue = false
  var isStoring = false
  var isStopped = false
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
    self.lastWrites = LastWrites(capacity: max(2, mailboxes))
  }

  /// Stores items in the order of the bus.
  ///
  /// - Parameter seenBefore: everything up to here may have been given before, to this writer or
  ///   another.
  /// - Returns: per recipient, in the order in which recipients first occur.
  /// - Throws: when something was not answered, not confirmed by as many replicas as must have it, or
  ///   refused for a reason that passes (``RedisServerError/isTransient``). Then nothing is certain, and the whole batch is to be given
  ///   again, before any other: what was stored is recognised.
  package func store(
    _ items: [Item], seenBefore: Offset = .zero
  ) async throws(RedisError) -> [Stored] {
    do throws(RedisError) {
      return try await self.storeAll(items, seenBefore: seenBefore)
    } catch {
      // Redis may have forgotten some of what was read before.
      self.searchedMailboxes.removeAll()
      throw error
    }
  }

  private func storeAll(
    _ items: [Item], seenBefore: Offset
  ) async throws(RedisError) -> [Stored] {
    self.isStoring = true
    self.seenBefore = seenBefore
    defer {
      self.isStoring = false
      self.trimIfDue()
    }
    let nowSeconds = Self.nowSeconds()
    var groups = try await self.withoutRepeats(Self.grouped(items))
    try await self.makeRoom(in: &groups)
    for index in groups.indices {
      let remembered = self.lastWrites[groups[index].recipient]
      groups[index].isNew = remembered == nil
      groups[index].isDue = nowSeconds >= remembered?.nextLookSeconds ?? 0
    }
    var batch = self.durability.batch()
    let places = groups.map { self.append($0, to: &batch) }
    let replies = await self.client.execute(batch)
    var result: [Stored] = []
    result.reserveCapacity(groups.count)
    for (group, places) in zip(groups, places) {
      let answers = try self.answers(to: group, at: places, replies)
      result.append(try await self.outcome(of: group, answers, nowSeconds: nowSeconds))
    }
    return result
  }

  /// The counts since the last call.
  package func takeTally() -> Tally {
    defer { self.tally = Tally() }
    return self.tally
  }

  /// Ends trimming. Call it on the client's event loop.
  package func stop() {
    self.isStopped = true
    self.isTrimDue = false
    self.trimTimer?.cancel()
    self.trimTimer = nil
    self.trimQueue.removeAll()
  }

  private func outcome(
    of group: Group, _ answers: Answers, nowSeconds: Int
  ) async throws(RedisError) -> Stored {
    var stored = Stored(recipient: group.recipient)
    stored.overflowed = group.overflowed
    stored.sessions = answers.sessions
    stored.refused = answers.refused
    self.tally.stored += answers.written.count
    guard let lengthAfter = answers.lengthAfter else {
      // Not to be told apart from what was not stored: to be given again.
      stored.refused += answers.collided.map {
        ($0, RedisServerError("the key of this mailbox is not a stream: rename or delete it"))
      }
      return stored
    }

    guard answers.collided.isEmpty else {
      let resolution = try await self.resolve(
        answers.collided, for: group.recipient, room: group.room)
      self.remember(
        group.recipient, top: .zero, length: lengthAfter + resolution.added,
        added: (
          answers.written.count + resolution.added,
          answers.written.byteCount + resolution.addedBytes
        ), nowSeconds: nowSeconds)
      stored.refused += resolution.refused
      stored.overflowed += resolution.overflowed
      stored.pushes = resolution.pushes
      stored.pushes += answers.written.map {
        MailboxPush(previous: .zero, offset: $0.offset, payload: .read($0.envelope.bytes))
      }
      // What was put above the top comes after what was written before it.
      stored.pushes.sort { $0.offset < $1.offset }
      return stored
    }
    // What is remembered of a mailbox is true only if nobody else wrote to it since, and a push with
    // a wrong `previous` would make a device skip what came between. The length tells: it has grown
    // by exactly what was written here, or the pushes go without.
    let remembered = self.lastWrites[group.recipient]
    let lengthBefore = group.isNew ? answers.lengthBefore : remembered?.length
    let isUnbroken = lengthBefore == lengthAfter - answers.written.count
    var previous = isUnbroken ? remembered?.offset ?? .zero : .zero
    for item in answers.written {
      stored.pushes.append(
        MailboxPush(previous: previous, offset: item.offset, payload: .read(item.envelope.bytes)))
      previous = isUnbroken ? item.offset : .zero
    }
    if !answers.written.isEmpty {
      self.remember(
        group.recipient, top: previous, length: lengthAfter,
        added: (answers.written.count, answers.written.byteCount), nowSeconds: nowSeconds)
    }
    return stored
  }
}
