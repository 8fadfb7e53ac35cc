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
  }
}

extension [MailboxWriter.Item] {
  /// The bytes of all envelopes.
  var byteCount: Int { self.reduce(0) { $0 + $1.envelope.bytes.count } }
}
