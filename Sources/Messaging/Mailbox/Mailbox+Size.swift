import MessageBus
import Redis

extension RedisBatch {
  /// `MEMORY USAGE` of a mailbox in bytes: it looks at each node of the stream, some hundredths of a
  /// millisecond for most mailboxes, and 6 ms for 64 MiB of 1 KiB nodes.
  mutating func memoryUsage(of mailbox: RedisKey) -> Reply<Int> {
    self.append(
      key: mailbox, "MEMORY", "USAGE", "\(mailbox)", "SAMPLES", "0", isRepeatable: true
    ).reading { cursor throws(RedisError) in
      if cursor.isNil { return 0 }
      return min(max(0, try cursor.integer()), KnownMailbox.maximumBytes)
    }
  }
}
