import MessageBus
import Redis

extension Mailbox {
  /// Appends the question what a mailbox takes of Redis: it looks at each node of the stream, some
  /// hundredths of a millisecond for most mailboxes, and 6 ms for 64 MiB of 1 KiB nodes.
  static func measure(_ mailbox: RedisKey, to batch: inout RedisBatch) {
    batch.append(key: mailbox, "MEMORY", "USAGE", "\(mailbox)", "SAMPLES", "0")
  }

  /// Reads the answer in bytes; nil when there is none, such as from a Redis whose user has no right to
  /// ask.
  static func measured(_ replies: RedisReplies, at index: Int) -> Int? {
    guard var cursor = try? replies.cursor(index) else { return nil }
    if cursor.isNil { return 0 }
    guard let bytes = try? cursor.integer() else { return nil }
    return min(max(0, bytes), LastWrites.Entry.maximumBytes)
  }
}
