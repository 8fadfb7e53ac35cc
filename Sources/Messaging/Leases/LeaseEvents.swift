import ConnectProtocol
import MessageBus
import Redis

/// Wakes messaging instances when a member joins, or a lease is released.
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

  /// Appends an event with a text for people who read the stream.
  @discardableResult
  package static func tell(
    _ text: String, _ keys: Keys, to batch: inout RedisBatch
  ) -> Reply<Offset> {
    let stream = keys.leaseEvents
    return batch.append(
      key: stream, "XADD", "\(stream)", "MAXLEN", "~", "\(MessagingLimits.leaseEventsKept)", "*",
      "\(StreamEntry.field)", text
    ).reading(Offset.read)
  }

  /// Waits for an event, at most for this time.
  package func wait(milliseconds: Int64) async throws(RedisError) {
    var batch = RedisBatch()
    let events = batch.read(
      from: self.stream, after: self.last, maximum: MessagingLimits.leaseEventsKept,
      blockMilliseconds: milliseconds)
    let replies = await self.reader.execute(
      batch, timeout: .milliseconds(milliseconds + RedisLimits.blockingReadGraceMilliseconds))
    guard let events = try replies[events] else { return }
    // An instance that did not wait, and is told nothing, would ask again at once, and again.
    guard let newest = events.last, newest.offset > self.last else {
      throw .unexpectedReply("XREAD answered nothing new")
    }
    self.last = newest.offset
  }
}
