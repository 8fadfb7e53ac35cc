/// Every limit and default of messaging, each with its unit.
package enum MessagingLimits {
  /// How long a partition stays with an owner whose heartbeats have stopped, in seconds. So long, at
  /// most, its messages wait after a crash.
  package static let leaseSeconds = 10

  /// Heartbeats in that time.
  package static let heartbeatsPerLease: Int64 = 5

  /// Wake-ups of messaging instances kept, approximately.
  package static let leaseEventsKept = 128

  /// Attempts at an entry before it goes to the dead letters.
  package static let attempts = 5

  /// Seconds for which the entry with which an owner ended is remembered.
  package static let crashCountSeconds = 3_600

  /// How often a messaging instance looks how far its partitions are behind, in seconds. Four commands
  /// per partition.
  package static let lagSeconds = 10

  /// How many of a mailbox's newest entries are searched for a message that a client sent again. It
  /// must be more than all senders to one recipient leave unanswered when a gateway or Redis goes
  /// away: `ConnectClient` leaves 256 at most, and no connection more than 1,024.
  package static let retryWindowEntries = 2_048

  /// How much earlier than it says a message may have been first sent, in milliseconds: more than the
  /// clocks of clients' servers, gateways and Redis differ.
  package static let retrySlackMilliseconds: UInt64 = 60_000

  /// Bytes after which the look-ups of one batch end, all of them together. The 256 messages that
  /// `ConnectClient` leaves unanswered are found at once if they have 16 KiB on average; what they
  /// are behind if they have more is searched by the next batch, which goes on where this one ended.
  package static let retryBytes = 4 * 1024 * 1024

  /// Milliseconds after which they end if Redis is slow: the rest of the partition waits meanwhile. Less
  /// than a command may take, and long enough that only a Redis which hardly works ends them: what is
  /// not found then is stored twice.
  package static let retryMilliseconds: Int64 = 4_000

  /// Entries in the first portion of a search; portions double.
  package static let retryFirstPortionEntries = 16

  /// Entries in the largest portion, over all mailboxes of a batch.
  package static let retryPortionEntries = 128

  /// The fewest entries of each mailbox in a portion, however many mailboxes take turns.
  package static let retryEntriesPerMailbox = 4

  /// Target size of a portion, as far as it can be estimated: a millisecond of Redis.
  package static let retryPortionBytes = 1024 * 1024

  /// Entries of searched mailboxes that a partition's owner remembers, so that the next look-up reads
  /// none of them again; 24 bytes each.
  package static let rememberedSearchedEntries = 32_768

  /// Mailboxes whose last offset a messaging instance remembers; about 170 bytes each.
  package static let rememberedMailboxes = 100_000

  /// Copies that are published so long after their batch was begun, in milliseconds, are looked for among
  /// what the sender has: less than a lease that was just renewed lasts, and more than a batch takes.
  package static let lateCopyMilliseconds: Int64 = 1_000

  /// How long a key lives that is written only for replicas to confirm what was written before, in seconds.
  package static let confirmationSeconds = 60

  /// Hashes of stored client repeats that a partition's owner remembers, so that an original which
  /// comes late is recognised; about 20 bytes each. As many as one event loop of a gateway has
  /// unanswered.
  package static let rememberedRetries = 16_384

  /// Looks for a place above a mailbox's top before the batch is given back: another owner of the
  /// partition takes it each time. Two owners meet for moments only.
  package static let relocationAttempts = 16

  /// The default of ``MailboxLimits/entries``.
  package static let mailboxEntries = 100_000

  /// The default of ``MailboxLimits/bytes``.
  package static let mailboxBytes = 64 * 1024 * 1024

  /// The default of ``MailboxLimits/historyEntries``.
  package static let mailboxHistoryEntries = 1_000

  /// A written mailbox is trimmed once in this time, in seconds.
  package static let mailboxLookSeconds = 86_400

  /// A mailbox is also trimmed whenever it has grown by this many entries beyond its history.
  package static let mailboxLookEntries = 256

  /// The most entries that one call of `trim_mailbox.lua` removes: it blocks Redis meanwhile.
  package static let entriesPerTrim = 512

  /// Bytes of entries that one call has in hand, about: it removes fewer of large ones. It reads them twice
  /// at most, 3 ms for each MiB.
  package static let bytesPerTrim = 1024 * 1024

  /// The fewest entries that one call may remove, however large they are.
  package static let fewestEntriesPerTrim = 16

  /// Calls that make room in full mailboxes before one batch at most: enough for as many frames of 64 KiB
  /// as it has entries.
  package static let trimsPerBatch = 16

  /// Interval at which a partition's owner trims mailboxes that are due, in milliseconds.
  package static let trimMilliseconds: Int64 = 125

  /// The most mailboxes trimmed at a time. Redis serves nobody else during such a batch.
  package static let mailboxesPerTrim = 8

  /// Mailboxes that wait to be looked after by a partition's owner at most. Others come to it with
  /// their next message.
  package static let mailboxesToTrim = 16_384
}
