import ConnectProtocol
import Logging
import MessageBus
import NIOCore
import Redis

/// Keeps what cannot be processed, with the reason and where it came from; the partition goes on.
///
/// Written before the entry is acknowledged, so at least once: a crash in between writes it again.
///
/// Replicas are asked to confirm it, but not insisted on: a letter that is written again until they do
/// would be there as often as that is tried while one of them is away.
struct DeadLetters {
  private let partition: Partition
  private let keys: Keys
  private let client: any RedisClient
  private let durability: Durability
  private let metrics: MessagingMetrics
  private let logger: Logger

  init(
    partition: Partition, keys: Keys, client: any RedisClient, durability: Durability,
    metrics: MessagingMetrics, logger: Logger
  ) {
    self.partition = partition
    self.keys = keys
    self.client = client
    self.durability = durability
    self.metrics = metrics
    self.logger = logger
  }

  /// Adds an entry of the bus, unchanged.
  func add(_ entry: StreamEntry, reason: String, attempts: Int) async throws(RedisError) {
    let letter = DeadLetterDraft(
      reason: reason, origin: "\(self.keys.incoming(self.partition)) \(entry.offset)",
      attempts: attempts)
    if let payload = entry.payload {
      try await self.add(letter, offset: entry.offset) {
        letter.append(payload, self.keys, to: &$0)
      }
    } else {
      let fields = try await self.fields(of: entry.offset)
      try await self.add(letter, offset: entry.offset) {
        letter.append(fields: fields, self.keys, to: &$0)
      }
    }
  }

  /// Adds an entry that its mailbox refuses.
  func add(
    _ item: MailboxWriter.Item, reason: String, attempts: Int
  ) async throws(RedisError) {
    let letter = DeadLetterDraft(
      reason: reason, origin: "\(self.keys.incoming(self.partition)) \(item.offset)",
      attempts: attempts)
    try await self.add(letter, offset: item.offset) {
      letter.append(item.envelope.bytes, self.keys, to: &$0)
    }
  }

  private func add(
    _ letter: DeadLetterDraft, offset: Offset, _ append: (inout RedisBatch) -> Reply<Void>
  ) async throws(RedisError) {
    self.logger.error(
      "messaging.dead_letter", metadata: ["offset": "\(offset)", "reason": "\(letter.reason)"])
    var batch = self.durability.batch()
    let added = append(&batch)
    try await self.client.execute(batch)[added]
    self.metrics.deadLetters.increment()
  }

  /// The fields of an entry that is not in Connect's form.
  private func fields(of offset: Offset) async throws(RedisError) -> [ReplyBytes] {
    try await self.client.value {
      DeadLetterDraft.fields(of: offset, in: self.keys.incoming(self.partition), to: &$0)
    }
  }
}
