extension MailboxWriter {
  /// Counts of its work, for metrics.
  package struct Tally: Sendable, Hashable {
    package var stored = 0
    /// Entries of the bus that were in their mailboxes already.
    package var busRepeats = 0
    /// Messages that a client had sent before.
    package var clientRepeats = 0
    /// Entries stored under another offset than the bus's; they are in `stored`, too.
    package var relocated = 0
    /// Look-ups for messages sent again: one per mailbox and batch.
    package var lookups = 0
    package var lookupBytes = 0
    /// Look-ups that ended at ``MessagingLimits/retryBytes`` or ``MessagingLimits/retryMilliseconds``.
    package var cutLookups = 0
  }

  /// The counts since the last call.
  package func takeTally() -> Tally {
    defer { self.tally = Tally() }
    return self.tally
  }
}
