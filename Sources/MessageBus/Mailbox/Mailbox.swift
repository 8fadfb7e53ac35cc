import ConnectProtocol
import Redis

/// A user's mailbox: the durable truth of what the user must see, in order.
package enum Mailbox {
  /// An entry of a mailbox.
  package struct Entry: Sendable {
    /// Where it stands: what the recipient acks.
    package let offset: Offset
    /// What it is. Nil for an entry in a form that this release does not know.
    package let envelope: Envelope?

    /// When it was sent, in milliseconds since 1970 by Redis's clock.
    package var sentAtMilliseconds: UInt64 {
      (self.envelope?.origin(at: self.offset) ?? self.offset).milliseconds
    }

    init(_ entry: StreamEntry) {
      self.offset = entry.offset
      self.envelope = entry.payload.flatMap(Envelope.init)
    }

    /// An entry that was just pushed.
    package init(offset: Offset, envelope: Envelope) {
      self.offset = offset
      self.envelope = envelope
    }
  }

  /// Appends a read of what stands above `offset`, oldest first.
  package static func page(
    _ mailbox: RedisKey, after offset: Offset, maximum: Int, to batch: inout RedisBatch
  ) {
    batch.entries(of: mailbox, after: offset, maximum: maximum)
  }

  /// Reads such a page.
  package static func entries(
    _ replies: RedisReplies, at index: Int
  ) throws(RedisError) -> [Entry] {
    var cursor = try replies.cursor(index)
    return try StreamEntry.list(from: &cursor).map(Entry.init)
  }
}

extension Mailbox {
  /// Appends the answer to which id a mailbox gave last.
  package static func top(of mailbox: RedisKey, to batch: inout RedisBatch) {
    batch.append(key: mailbox, "XINFO", "STREAM", "\(mailbox)")
  }

  /// Reads, from the answer to XINFO STREAM, the id above which a mailbox takes entries; zero if
  /// there is no mailbox.
  package static func top(_ replies: RedisReplies, at index: Int) throws(RedisError) -> Offset {
    do throws(RedisError) {
      return try Offset(lastGeneratedFrom: replies.cursor(index))
    } catch .server(let error) where error.isMissingKey {
      return .zero
    }
  }

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
