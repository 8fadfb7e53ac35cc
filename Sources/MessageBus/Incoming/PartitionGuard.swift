import Redis

/// Keeps services with different numbers of partitions apart.
///
/// A user's messages must all come through one partition: that is what orders them. So the number is
/// part of the data, written by the first service that ever starts, and a service that was told
/// another one must not run.
public enum PartitionGuard {
  /// This service was told another number than the data has.
  public struct Mismatch: Error, CustomStringConvertible {
    let configured: Int
    let stored: String
    let key: String

    /// What to do about it.
    public var description: String {
      """
      this Redis holds data for \(self.stored) partitions (key \(self.key)), but \
      \(self.configured) are configured; set --partitions \(self.stored), or another --key-prefix
      """
    }
  }

  /// Appends the number, if there is none: for who is running when the keyspace is lost.
  public static func restore(_ keys: Keys, to batch: inout RedisBatch) {
    let key = keys.partitionCount
    batch.append(key: key, "SET", "\(key)", "\(keys.partitions.all.count)", "NX")
  }

  /// Redis does not say which key it refuses.
  private static func answer(
    _ replies: RedisReplies, about key: RedisKey
  ) throws(RedisError) -> ReplyCursor {
    do {
      return try replies.cursor(1)
    } catch {
      guard case .server(let refusal) = error, refusal.code == "NOPERM" else { throw error }
      throw .server(RedisServerError("\(refusal.message) (the key was \(key))"))
    }
  }

  /// Writes the number if there is none.
  ///
  /// - Throws: ``Mismatch``, or a `RedisError`.
  public static func check(_ keys: Keys, with client: any RedisClient) async throws {
    let count = keys.partitions.all.count
    let key = keys.partitionCount
    var batch = RedisBatch()
    Self.restore(keys, to: &batch)
    batch.append(key: key, "GET", "\(key)")
    let replies = await client.execute(batch)
    var cursor = try Self.answer(replies, about: key)
    guard let stored = try cursor.string() else {
      // Only SET's own error says why there is still no number.
      _ = try replies.cursor(0)
      throw RedisError.unexpectedReply("SET NX and then GET of \(key) found nothing")
    }
    guard stored == "\(count)" else {
      throw Mismatch(configured: count, stored: stored, key: "\(key)")
    }
  }
}
