import ConnectProtocol
import Logging
import MessageBus
import NIOCore
import Redis

/// Keeps what cannot be processed, with the reason and where it came from; the partition goes on.
///
/// Written before the entry is acknowledged: a crash in between writes it twice, never not at all.
struct DeadLetters {
  private let partition: Partition
  private let keys: Keys
  private let client: any RedisClient
  private let logger: Logger

  init(partition: Partition, keys: Keys, client: any RedisClient, logger: Logger) {
    self.partition = partition
    self.keys = keys
    self.client = client
    self.logger = logger
  }

  /// An entry of the bus that has no envelope which this release knows.
  func add(_ entry: StreamEntry) async throws(RedisError) {
    guard !entry.isDeleted else {
      // Someone deleted it by hand: nothing is left to keep.
      self.logger.error("messaging.entry_deleted", metadata: ["offset": "\(entry.offset)"])
      return
    }
    try await self.add(
      entry.offset, reason: "the entry has no envelope of a known version", payload: entry.payload)
  }

  /// An entry that its mailbox can never take.
  func add(_ item: MailboxWriter.Item, reason: String) async throws(RedisError) {
    try await self.add(item.offset, reason: reason, payload: item.envelope.bytes)
  }

  private func add(
    _ offset: Offset, reason: String, payload: ReplyBytes?
  ) async throws(RedisError) {
    self.logger.error(
      "messaging.dead_letter", metadata: ["offset": "\(offset)", "reason": "\(reason)"])
    let key = self.keys.deadLetters
    let origin = "\(self.keys.incoming(self.partition)) \(offset)"
    var batch = RedisBatch()
    batch.append(
      arguments: 9, key: key,
      bytes: 30 + key.byteCount + reason.utf8.count + origin.utf8.count + (payload?.count ?? 0)
    ) { writer in
      writer.bulk("XADD")
      writer.bulk(key)
      writer.bulk("*")
      writer.bulk("reason")
      writer.bulk(reason)
      writer.bulk("origin")
      writer.bulk(origin)
      writer.bulk("m")
      writer.bulk(count: payload?.count ?? 0) { raw in
        payload?.withUnsafeBytes { raw.copyMemory(from: $0) }
      }
    }
    try await self.client.execute(batch).check()
  }
}
