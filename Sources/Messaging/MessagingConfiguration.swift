import MessageBus

/// What a messaging instance is told at its start. The defaults are in `BusLimits`.
package struct MessagingConfiguration: Sendable {
  package var id: InstanceID
  /// The keys it shares with gateways.
  package var keys: Keys
  /// See ``MessagingLimits/leaseSeconds``. The same for all instances.
  package var leaseSeconds = MessagingLimits.leaseSeconds
  /// See ``MessagingLimits/attempts``.
  package var attempts = MessagingLimits.attempts
  /// What it takes for a message to be safe in its mailbox. The same as that of the gateways: what
  /// they have accepted must not be lost here.
  package var durability = Durability.accepted
  /// What each mailbox keeps.
  package var mailboxes = MailboxLimits()

  package init(id: InstanceID, keys: Keys) {
    self.id = id
    self.keys = keys
  }

  var leaseMilliseconds: Int64 { Int64(self.leaseSeconds) * 1_000 }
}
