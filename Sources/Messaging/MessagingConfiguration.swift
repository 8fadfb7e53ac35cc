import MessageBus

/// What a messaging instance is told at its start. The defaults are in `BusLimits`.
public struct MessagingConfiguration: Sendable {
  /// Who it is.
  public var id: InstanceID
  /// The keys it shares with gateways.
  public var keys: Keys
  /// See ``MessageBus/BusLimits/leaseSeconds``. The same for all instances.
  public var leaseSeconds = BusLimits.leaseSeconds
  /// See ``MessageBus/BusLimits/attempts``.
  public var attempts = BusLimits.attempts
  /// What it takes for a message to be safe in its mailbox. The same as that of the gateways: what
  /// they have accepted must not be lost here.
  public var durability = Durability.accepted
  /// What each mailbox keeps.
  public var mailboxes = MailboxLimits()

  /// A configuration with the defaults.
  public init(id: InstanceID, keys: Keys) {
    self.id = id
    self.keys = keys
  }

  var leaseMilliseconds: Int64 { Int64(self.leaseSeconds) * 1_000 }
}
