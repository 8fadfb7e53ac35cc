import ArgumentParser
import MessageBus
import Messaging
import Settings

/// Options of messaging, also in `connect dev`.
struct MessagingOptions: ParsableArguments {
  @Option(
    help: """
      Seconds without a renewal after which the lease of a partition lapses, for another instance \
      to take it over (default: \(MessagingLimits.leaseSeconds)). The same for every instance.
      """)
  var leaseSeconds: String?

  @Option(
    help:
      "How often an entry is tried before it is a dead letter (default: \(MessagingLimits.attempts))."
  )
  var attempts: String?

  @Option(
    help: """
      Messages in a mailbox beyond which new ones fail with mailbox_full (default: \
      \(MessagingLimits.mailboxEntries)).
      """)
  var mailboxLimit: String?

  @Option(
    help: """
      Bytes that a mailbox takes of Redis, beyond which new messages fail with mailbox_full \
      (default: \(MessagingLimits.mailboxBytes)).
      """)
  var mailboxBytes: String?

  @Option(
    help: """
      Acked messages that a mailbox keeps (default: \(MessagingLimits.mailboxHistoryEntries)).
      """)
  var historyLimit: String?
}

extension SettingValues {
  func messaging(id: InstanceID, keys: Keys) throws(Failure) -> MessagingConfiguration {
    var messaging = MessagingConfiguration(id: id, keys: keys)
    try self.read(.leaseSeconds, 1...300, into: &messaging.leaseSeconds)
    try self.read(.attempts, 1...1_000, into: &messaging.attempts)
    try self.readDurability(into: &messaging.durability)
    try self.read(.mailboxLimit, 1...100_000_000, into: &messaging.mailboxes.entries)
    try self.read(
      .mailboxBytes, 1_048_576...1_099_511_627_776, into: &messaging.mailboxes.bytes)
    try self.read(.historyLimit, 0...100_000_000, into: &messaging.mailboxes.historyEntries)
    try self.readRetention(into: &messaging.mailboxes.retentionSeconds)
    return messaging
  }
}
