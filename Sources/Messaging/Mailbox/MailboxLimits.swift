import MessageBus

/// Limits of a mailbox in size and age. See ``MessagingLimits`` for the defaults.
package struct MailboxLimits: Sendable, Hashable {
  /// Entries of a mailbox, acked ones included, beyond which new messages fail. At least 1.
  package var entries: Int
  /// Bytes that a mailbox takes of Redis, acked entries included, beyond which new messages fail. More
  /// than a frame.
  package var bytes: Int
  /// The newest acked entries, kept for devices that connect for the first time.
  package var historyEntries: Int
  /// The age in seconds at which entries are removed, acked or not, and devices that were not seen
  /// for as long are forgotten. At least 1.
  package var retentionSeconds: Int
  /// See ``MessagingLimits/retryMilliseconds``.
  var lookUpMilliseconds = MessagingLimits.retryMilliseconds

  package init(
    entries: Int = MessagingLimits.mailboxEntries,
    bytes: Int = MessagingLimits.mailboxBytes,
    historyEntries: Int = MessagingLimits.mailboxHistoryEntries,
    retentionSeconds: Int = BusLimits.mailboxRetentionSeconds
  ) {
    self.entries = entries
    self.bytes = bytes
    self.historyEntries = historyEntries
    self.retentionSeconds = retentionSeconds
  }
}
