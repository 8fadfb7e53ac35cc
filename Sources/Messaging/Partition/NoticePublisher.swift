import ConnectProtocol
import MessageBus
import Redis

/// What a sender is told of a message: one or two entries of the bus.
struct Notice {
  /// Names it among those of a batch, by the entry that it is about.
  enum Key: Hashable {
    case copy(Offset)
    case failure(Offset)

    var isCopy: Bool { if case .copy = self { true } else { false } }
  }

  /// Appends an entry, and answers its offset.
  typealias Entry = (inout RedisBatch, RedisKey) -> Reply<Offset>

  let key: Key
  /// In order, and all or none.
  let entries: [Entry]
}

/// Puts what senders are told on the bus, each notice once for a batch.
///
/// A batch that comes again gives the same again. What Redis has answered is on the bus by then, and would
/// be there again after each attempt. So that is not published again where it is still there; and what
/// replicas have not confirmed, they are asked about again.
///
/// It is not there where another primary lacks it, or where it was taken from the bus already. Then it is
/// published again, once: a mailbox recognises the copy, which says by now that it may be a repeat. The
/// failure of a message is told at least once in that case. What is gone for the second time was
/// taken: while replicas are late, it would be published with each attempt.
final class NoticePublisher {
  /// What Redis has answered, and replicas have not confirmed.
  private struct Unconfirmed {
    let notices: [Notice.Key]
    /// The last of their entries. All are written together, so it stands for all: a replica that has it
    /// has those before it.
    let last: Offset
    /// Whether they were published for the second time.
    let isSecond: Bool
  }

  private enum WriteReply {
    case one(Reply<Offset>)
    case several(TransactionReply<Offset>)

    /// The last entry's offset.
    func last(_ replies: RedisReplies) throws(RedisError) -> Offset {
      switch self {
      case .one(let reply): return try replies[reply]
      case .several(let transaction):
        var last = Offset.zero
        for outcome in try replies[transaction] { last = try outcome.value }
        return last
      }
    }

    func checkConfirmed(_ replies: RedisReplies) throws(RedisError) {
      switch self {
      case .one(let reply): try replies.checkConfirmed(reply)
      case .several(let transaction): try replies.checkConfirmed(transaction)
      }
    }
  }

  private let keys: Keys
  private let client: any RedisClient
  private let durability: Durability
  private let metrics: MessagingMetrics
  /// Of the present batch.
  private var confirmed: Set<Notice.Key> = []
  private var unconfirmed: [Partition: Unconfirmed] = [:]
  /// Of the present batch: what was gone from the bus before it was confirmed.
  private var gone: Set<Notice.Key> = []

  /// - Parameter client: for what replicas must confirm.
  init(
    keys: Keys, client: any RedisClient, durability: Durability, metrics: MessagingMetrics
  ) {
    self.keys = keys
    self.client = client
    self.durability = durability
    self.metrics = metrics
  }

  /// The present batch does not come again.
  func finished() {
    self.confirmed = []
    self.unconfirmed = [:]
    self.gone = []
  }

  /// Publishes what is not published yet, once everything that is has been confirmed.
  func publish(
    _ shares: [(partition: Partition, notices: [Notice])]
  ) async throws(RedisError) {
    try await self.confirmPublished()
    var batch = self.durability.batch()
    var writes: [(partition: Partition, notices: [Notice.Key], reply: WriteReply)] = []
    for (partition, notices) in shares {
      let due = notices.filter { !self.confirmed.contains($0.key) }
      if let reply = self.write(due, to: partition, &batch) {
        writes.append((partition, due.map(\.key), reply))
      }
    }
    guard !writes.isEmpty else { return }
    let replies = await self.client.execute(batch)
    var failure: RedisError?
    for (partition, notices, reply) in writes {
      do throws(RedisError) {
        self.unconfirmed[partition] = Unconfirmed(
          notices: notices, last: try reply.last(replies),
          isSecond: notices.allSatisfy(self.gone.contains))
        try reply.checkConfirmed(replies)
        self.confirm(partition)
      } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
  }

  /// Several entries of a partition go all or none: else the first could fail, and come behind the second.
  private func write(
    _ notices: [Notice], to partition: Partition, _ batch: inout RedisBatch
  ) -> WriteReply? {
    let entries = notices.flatMap(\.entries)
    guard let first = entries.first else { return nil }
    let stream = self.keys.incoming(partition)
    guard entries.count > 1 else { return .one(first(&batch, stream)) }
    return .several(
      batch.transaction(on: stream, of: Offset.read) { batch in
        for entry in entries { _ = entry(&batch, stream) }
      })
  }

  // MARK: Confirming

  /// Asks replicas again about what they have not confirmed, and forgets what is not on the bus any more:
  /// that is due again.
  private func confirmPublished() async throws(RedisError) {
    guard !self.unconfirmed.isEmpty else { return }
    var batch = self.durability.batch()
    let checks = self.unconfirmed.map { partition, published in
      (partition, published, self.check(published.last, in: partition, &batch))
    }
    let replies = await self.client.execute(batch)
    var failure: RedisError?
    for (partition, published, reply) in checks {
      do throws(RedisError) {
        let values = try replies[reply].map { outcome throws(RedisError) in try outcome.value }
        var found = values[0]
        let isThere = try StreamEntry.list(from: &found).first?.offset == published.last
        if isThere || published.isSecond {
          try replies.checkConfirmed(reply)
          self.confirm(partition)
        } else {
          self.unconfirmed[partition] = nil
          self.gone.formUnion(published.notices)
        }
      } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
  }

  /// Looks for an entry, and writes something: replicas that have that have the entry, too.
  ///
  /// Both or none: a primary that was promoted in between takes the write, and may lack the entry.
  private func check(
    _ offset: Offset, in partition: Partition, _ batch: inout RedisBatch
  ) -> TransactionReply<ReplyCursor> {
    let stream = self.keys.incoming(partition)
    return batch.transaction(on: stream, of: ReplyCursor.read) { batch in
      _ = batch.entries(of: stream, after: offset.predecessor, maximum: 1)
      _ = batch.set(
        self.keys.confirmation(partition), to: "", seconds: MessagingLimits.confirmationSeconds)
    }
  }

  private func confirm(_ partition: Partition) {
    guard let notices = self.unconfirmed.removeValue(forKey: partition)?.notices else { return }
    self.metrics.copies.increment(by: notices.count(where: \.isCopy))
    self.confirmed.formUnion(notices)
  }
}

extension ReplyCursor {
  /// A value to be read by itself.
  fileprivate static func read(_ cursor: inout ReplyCursor) -> ReplyCursor {
    defer { cursor.skip() }
    return cursor
  }
}

extension Result where Failure == RedisServerError {
  /// Throws the server's error as the client does.
  fileprivate var value: Success {
    get throws(RedisError) {
      switch self {
      case .success(let value): return value
      case .failure(let error): throw .server(error)
      }
    }
  }
}
