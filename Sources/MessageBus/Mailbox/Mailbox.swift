import ConnectProtocol
import Redis

/// A user's mailbox: the durable record of what the user must see, in order.
package enum Mailbox {
  package struct Entry: Sendable {
    /// The offset in the mailbox, which the recipient acks.
    package let offset: Offset
    /// Nil for an entry in a form that this release does not know.
    package let envelope: Envelope?

    /// Time of sending, in milliseconds since 1970 by Redis's clock.
    package var sentAtMilliseconds: UInt64 {
      (self.envelope?.origin(at: self.offset) ?? self.offset).milliseconds
    }

    package init(_ entry: StreamEntry) {
      self.offset = entry.offset
      self.envelope = entry.payload.flatMap(Envelope.init)
    }

    /// An entry that was just pushed.
    package init(offset: Offset, envelope: Envelope) {
      self.offset = offset
      self.envelope = envelope
    }
  }

  /// Appends a read of the entries above `offset`, oldest first.
  package static func page(
    _ mailbox: RedisKey, after offset: Offset, maximum: Int, to batch: inout RedisBatch
  ) {
    batch.entries(of: mailbox, after: offset, maximum: maximum)
  }

  /// Reads the answer.
  package static func entries(
    _ replies: RedisReplies, at index: Int
  ) throws(RedisError) -> [Entry] {
    var cursor = try replies.cursor(index)
    return try StreamEntry.list(from: &cursor).map(Entry.init)
  }
}

extension Mailbox {
  /// Appends a read of the last id that a mailbox gave.
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
}
