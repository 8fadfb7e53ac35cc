import MessageBus

package struct MessagingConfiguration: Sendable {
  package var id: InstanceID
  /// The keys that it shares with gateways.
  package var keys: Keys
  /// See ``MessagingLimits/leaseSeconds``. Must be equal in all instances.
  package var leaseSeconds = MessagingLimits.leaseSeconds
  /// See ``MessagingLimits/attempts``.
  package var attempts = MessagingLimits.attempts
  /// The condition for a message to be safe in its mailbox. The same as that of the gateways:
  /// messages that they have accepted must not be lost here.
  package var durability = Durability.accepted
  package var mailboxes = MailboxLimits()

  package init(id: InstanceID, keys: Keys) {
    self.id = id
    self.keys = keys
  }

  var leaseMilliseconds: Int64 { Int64(self.leaseSeconds) * 1_000 }
}
