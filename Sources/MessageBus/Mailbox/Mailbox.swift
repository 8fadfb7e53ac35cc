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
}
