import ConnectProtocol
import MessageBus
import Redis

/// Finds an entry that ends the process of whoever handles it.
///
/// Such an entry would end every owner in turn, and the partition would stand still. So a new owner
/// that finds unfinished entries of another counts in Redis how often they were begun with the same
/// one. From the second time on it handles them one by one, so that only the guilty one stays first;
/// when that was begun as often as an entry is tried, it is guilty.
///
/// Costs nothing as long as owners come and go without leaving anything unfinished. On the event loop
/// only.
final class CrashCounter {
  private let key: RedisKey
  private let client: any RedisClient
  private let attempts: Int
  /// Entries that another owner had begun and that are not finished yet.
  private var suspects: ClosedRange<Offset>?
  /// Number of owners that ended with `counted` unfinished: each is counted by the next.
  private var begun = 0
  private var counted: Offset?

  init(partition: Partition, keys: Keys, client: any RedisClient, attempts: Int) {
    self.key = keys.attempts(partition)
    self.client = client
    self.attempts = attempts
  }

  /// Whether to handle entries one by one, and acknowledge each at once.
  private(set) var isSuspicious = false

  func began(_ session: GroupSession) async throws(RedisError) {
    if let unfinished = session.unfinished {
      self.suspects = unfinished
      self.counted = nil
    }
    // Also if counting failed when the session before began: nobody else knows of it any more.
    guard let suspects = self.suspects, self.counted == nil else { return }
    defer { self.isSuspicious = self.begun > 1 }
    try await self.count(suspects.lowerBound)
  }

  /// Whether the first of these entries was begun too often and never finished.
  func isGuilty(_ entries: [StreamEntry]) async throws(RedisError) -> Bool {
    guard self.isSuspicious, let first = entries.first else { return false }
    if first.offset != self.counted { try await self.count(first.offset) }
    return self.begun >= self.attempts
  }

  func finished(_ entries: [StreamEntry]) async {
    guard let suspects = self.suspects, let last = entries.last,
      last.offset >= suspects.upperBound
    else { return }
    self.suspects = nil
    self.isSuspicious = false
    var batch = RedisBatch()
    batch.delete(self.key)
    // Best effort: what stays names an entry that will never be first again, and expires.
    _ = await self.client.execute(batch)
  }

  /// Counts that handling begins with `offset`: a hash of one field, since another first entry means
  /// that there was progress.
  private func count(_ offset: Offset) async throws(RedisError) {
    let isSame = try await self.client.value {
      $0.append("HEXISTS", self.key, "\(offset)", isRepeatable: true).flag()
    }
    var write = RedisBatch()
    if !isSame { write.delete(self.key) }
    let count = write.append("HINCRBY", self.key, "\(offset)", "1").integer()
    write.expire(self.key, seconds: MessagingLimits.crashCountSeconds)
    let replies = await self.client.execute(write)
    try replies.check()
    self.begun = try replies[count]
    self.counted = offset
  }
}
