import ConnectProtocol
import MessageBus

extension MailboxWriter {
  /// A bus entry on its way to a mailbox.
  package struct Item {
    package let offset: Offset
    package let envelope: Envelope

    package let recipient: UserName
    /// The envelope as a mailbox stores it.
    package let payload: MailboxPush.Payload
    /// When a client first sent it, if it may have done so before and says when: in milliseconds since
    /// 1970. A time to come counts as none.
    let firstSent: UInt64?

    /// An entry as it was read from the bus; nil if it has no valid recipient.
    package init?(offset: Offset, envelope: Envelope) {
      guard let recipient = envelope.recipient else { return nil }
      self.offset = offset
      self.envelope = envelope
      self.recipient = recipient
      self.payload =
        envelope.flags.contains(.dated) ? .made(envelope.undated()) : .read(envelope.bytes)
      let firstSent = envelope.firstSent ?? envelope.original?.at
      self.firstSent = firstSent.flatMap { $0 <= offset.milliseconds ? $0 : nil }
    }
  }
}

extension [MailboxWriter.Item] {
  /// The bytes of all envelopes.
  var byteCount: Int { self.reduce(0) { $0 + $1.payload.count } }
}
