import ConnectProtocol
import MessageBus
import Redis

/// Wakes messaging instances when a member comes or goes, or a lease is given up.
///
/// Only a wake-up: who misses one finds out at its next look, a fraction of the lease time later.
package final class LeaseEvents {
  private let stream: RedisKey
  private let reader: any RedisClient
  private var last = Offset.zero

  /// - Parameter reader: A client for this alone, since its reads block.
  package init(keys: Keys, reader: any RedisClient) {
    self.stream = keys.leaseEvents
    self.reader = reader
  }

  /// Only what comes after `offset` wakes: an event of one's own, after which everything was looked
  /// at.
  package func passed(_ offset: Offset) { self.last = offset }

  /// Reads the offset of an event.
  package static func offset(_ replies: RedisReplies, at index: Int) throws(RedisError) -> Offset {
    var cursor = try replies.cursor(index)
    return try Offset(from: &cursor)
  }

  /// Appends an event with a text for people who read the stream.
  package static func tell(_ text: String, _ keys: Keys, to batch: inout RedisBatch) {
    let stream = keys.leaseEvents
    batch.append(
      key: stream, "XADD", "\(stream)", "MAXLEN", "~", "\(MessagingLimits.leaseEventsKept)", "*",
      "\(StreamEntry.field)", text)
  }

  /// Waits for an event, at most for this time.
  package func wait(milliseconds: Int64) async throws(RedisError) {
    var batch = RedisBatch()
    batch.isBlocking = true
    batch.append(
      key: self.stream, "XREAD", "COUNT", "\(MessagingLimits.leaseEventsKept)", "BLOCK",
      "\(milliseconds)", "STREAMS", "\(self.stream)",
      "\(self.last)")
    let replies = await self.reader.execute(
      batch, timeout: .milliseconds(milliseconds + RedisLimits.blockingReadGraceMilliseconds))
    var cursor = try replies.cursor(0)
    guard try cursor.array() != nil else { return }
    guard try cursor.array() == 2 else {
      throw .unexpectedReply("XREAD answered no pair of stream and entries")
    }
    cursor.skip()
    // Who did not wait, and is told nothing, would ask again at once, and again.
    guard let newest = try StreamEntry.list(from: &cursor).last, newest.offset > self.last else {
      throw .unexpectedReply("XREAD answered nothing new")
    }
    self.last = newest.offset
  }
}
