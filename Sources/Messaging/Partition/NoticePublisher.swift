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
/// be there once more after each attempt. So that is not published again; where replicas have not confirmed
/// it, they are asked again.
final class NoticePublisher {
  private struct Published {
    var confirmed: Set<Notice.Key> = []
    var unconfirmed: Set<Notice.Key> = []
  }

  private struct Write {
    let partition: Partition
    let keys: [Notice.Key]
    let reply: WriteReply
  }

  private enum WriteReply {
    case one(Reply<Offset>)
    case several(TransactionReply<Offset>)
    case confirmation(Reply<Void>)

    func checkAnswered(_ replies: RedisReplies) throws(RedisError) {
      switch self {
      case .one(let reply): _ = try replies[reply]
      case .confirmation(let reply): try replies[reply]
      case .several(let transaction):
        for outcome in try replies[transaction] {
          if case .failure(let error) = outcome { throw .server(error) }
        }
      }
    }

    func checkConfirmed(_ replies: RedisReplies) throws(RedisError) {
      switch self {
      case .one(let reply): try replies.checkConfirmed(reply)
      case .confirmation(let reply): try replies.checkConfirmed(reply)
      case .several(let transaction): try replies.checkConfirmed(transaction)
      }
    }
  }

  private let keys: Keys
  private let client: any RedisClient
  private let durability: Durability
  private let metrics: MessagingMetrics
  /// Of the present batch.
  private var published: [Partition: Published] = [:]

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
  func finished() { self.published = [:] }

  /// Publishes what is not published yet.
  func publish(
    _ shares: [(partition: Partition, notices: [Notice])]
  ) async throws(RedisError) {
    var batch = self.durability.batch()
    var writes: [Write] = []
    for (partition, notices) in shares {
      let published = self.published[partition] ?? Published()
      let due = notices.filter {
        !published.confirmed.contains($0.key) && !published.unconfirmed.contains($0.key)
      }
      if let write = self.write(due, to: partition, &batch) { writes.append(write) }
    }
    for (partition, published) in self.published where !published.unconfirmed.isEmpty {
      // A further entry of the same stream confirms it, too.
      guard !writes.contains(where: { $0.partition == partition }) else { continue }
      let reply = batch.set(
        self.keys.confirmation(partition), to: "", seconds: MessagingLimits.confirmationSeconds)
      writes.append(Write(partition: partition, keys: [], reply: .confirmation(reply)))
    }
    guard !writes.isEmpty else { return }
    try self.read(writes, await self.client.execute(batch))
  }

  /// Several entries of a partition go all or none: else the first could fail, and come behind the second.
  private func write(
    _ notices: [Notice], to partition: Partition, _ batch: inout RedisBatch
  ) -> Write? {
    let entries = notices.flatMap(\.entries)
    guard let first = entries.first else { return nil }
    let stream = self.keys.incoming(partition)
    let reply: WriteReply =
      entries.count == 1
      ? .one(first(&batch, stream))
      : .several(
        batch.transaction(on: stream, of: Offset.read) { batch in
          for entry in entries { _ = entry(&batch, stream) }
        })
    return Write(partition: partition, keys: notices.map(\.key), reply: reply)
  }

  private func read(_ writes: [Write], _ replies: RedisReplies) throws(RedisError) {
    var failure: RedisError?
    for write in writes {
      var published = self.published[write.partition] ?? Published()
      do throws(RedisError) {
        try write.reply.checkAnswered(replies)
        published.unconfirmed.formUnion(write.keys)
        try write.reply.checkConfirmed(replies)
        self.metrics.copies.increment(by: published.unconfirmed.count(where: \.isCopy))
        published.confirmed.formUnion(published.unconfirmed)
        published.unconfirmed = []
      } catch {
        // Unless replicas are only late, there may be another primary now, which lacks it.
        if case .unconfirmed = error {} else { published.unconfirmed = [] }
        failure = failure ?? error
      }
      self.published[write.partition] = published
    }
    if let failure { throw failure }
  }
}
