import ConnectProtocol
import MessageBus

extension MailboxWriter {
  /// A bus entry on its way to a mailbox.
  package struct Item {
    package let offset: Offset
    package let envelope: Envelope

    package let recipient: UserName

    /// An entry as it was read from the bus; nil if it has no valid recipient.
    package init?(offset: Offset, envelope: Envelope) {
      guard let recipient = envelope.recipient else { return nil }
      self.offset = offset
      self.envelope = envelope
      self.recipient = recipient
    }

    /// The envelope as a mailbox stores it.
    package var payload: MailboxPush.Payload {
      self.envelope.flags.contains(.dated)
        ? .made(self.envelope.undated()) : .read(self.envelope.bytes)
    }

    /// When a client first sent it, if it may have done so before and says when: in milliseconds since
    /// 1970. A time to come counts as none.
    var firstSent: UInt64? {
      let firstSent = self.envelope.firstSent ?? self.envelope.original?.at
      return firstSent.flatMap { $0 <= self.offset.milliseconds ? $0 : nil }
    }
  }
}

extension [MailboxWriter.Item] {
  /// The bytes of all envelopes.
  var byteCount: Int { self.reduce(0) { $0 + $1.payload.count } }
}
