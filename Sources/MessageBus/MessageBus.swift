/// # MessageBus
///
/// What lies in Redis, and how the two services reach it: the `incoming` partitions, one `outgoing`
/// stream per gateway, a mailbox per user, and who is connected where.
///
/// - `Envelopes/` is what an entry contains, byte for byte.
/// - `Incoming/` is the way from a gateway to messaging, `Outgoing/` the way back.
/// - `Mailbox/` is what a user must see, and how far each device has got.
/// - `Sessions/` is which gateway holds which device.
/// - `Users/` is what a backend does to a user as a whole: end the connections, erase.
/// - `Leases/` is which messaging instance owns which partition.
/// - `Streams/` is Redis Streams as values, and the consumer that reads them.
/// - `Scripts/` is Lua, where a comparison must precede a write.
/// - `Inspection/` is what of all that an operator looks at, and dead letters sent once more.

/// Every limit and default of the bus, each with its unit.
package enum BusLimits {
  /// The number of `incoming` partitions. It is part of the data: see ``DataLayout``.
  package static let defaultPartitions = 16

  /// More partitions would cost a blocking connection each and gain nothing.
  package static let maximumPartitions = 1_024

  /// Entries that one read of a stream brings at most.
  package static let entriesPerRead = 128

  /// How long one blocking read waits for entries.
  package static let blockMilliseconds: Int64 = 5_000

  /// What a consumer has finished is acknowledged after this time at the latest …
  package static let acknowledgeMilliseconds: Int64 = 100

  /// … and as soon as it is this many entries. No more than these are repeated after a crash, beside
  /// what was being handled.
  package static let acknowledgeEntries = 512

  /// How long a partition stays with an owner that gives no sign of life, in seconds. So long, at
  /// most, its messages wait after a crash.
  package static let leaseSeconds = 10

  /// How many signs of life fit into that time.
  package static let signsPerLease: Int64 = 5

  /// Wake-ups of messaging instances that are kept, about.
  package static let leaseEventsKept = 128

  /// How often an entry is tried before it goes to the dead letters.
  package static let attempts = 5

  /// How long it is remembered which entry an owner ended with, in seconds.
  package static let crashCountSeconds = 3_600

  /// Dead letters that are kept, about; beyond them the oldest are removed.
  package static let deadLettersKept = 100_000

  /// A gateway's stream and heartbeat vanish after this time without a sign of life.
  package static let gatewayTimeToLiveSeconds = 60

  /// How often a gateway gives that sign.
  package static let gatewayHeartbeatSeconds: Int64 = 15

  /// Other gateways that a gateway looks at with each sign of life, at random, to clean up after
  /// those that died.
  package static let gatewaysPerSweep = 64

  /// Entries that an `outgoing` stream has, about: a gateway that reads no more (it is paused, say)
  /// loses the oldest pushes beyond them, and its connections find the messages in the mailbox.
  package static let outgoingEntries = 4_096

  /// Entries in an `incoming` partition above which gateways take no more sends to it.
  package static let backlogEntries = 50_000

  /// Entries of a partition that one event loop sends at once, at most. Several of one sender are a
  /// transaction, in which Redis serves nobody else, at some microseconds for each entry. Their bytes are
  /// bounded by what an event loop of a gateway may have unanswered.
  package static let entriesPerTransaction = 512

  /// How often a gateway looks at the length of the partitions, in milliseconds. So the backlog can
  /// grow beyond its limit by what arrives in this time.
  package static let backlogMilliseconds: Int64 = 500

  /// How often a messaging instance looks how far its partitions are behind, in seconds. Four commands
  /// per partition.
  package static let lagSeconds = 10

  /// How long a producer waits for replicas, in milliseconds; see ``Durability``.
  package static let replicationMilliseconds: Int64 = 1_000

  /// Messages that one entry of an `outgoing` stream carries at most.
  package static let deliveriesPerEntry = 128

  /// Bytes after which an entry of an `outgoing` stream is full.
  package static let bytesPerDeliveryEntry = 256 * 1024

  /// How many of a mailbox's newest entries are searched for a message that a client sent again. It
  /// must be more than all senders to one recipient leave unanswered when a gateway or Redis goes
  /// away: `ConnectClient` leaves 256 at most, and no connection more than 1,024.
  package static let retryWindowEntries = 2_048

  /// Bytes after which the look-ups of one batch end, all of them together. The 256 messages that
  /// `ConnectClient` leaves unanswered are found at once if they have 16 KiB on average; what they
  /// are behind if they have more is searched by the next batch, which goes on where this one ended.
  package static let retryBytes = 4 * 1024 * 1024

  /// Milliseconds after which they end if Redis is slow: the rest of the partition waits meanwhile. Less
  /// than a command may take, and long enough that only a Redis which hardly works ends them: what is
  /// not found then is stored twice.
  package static let retryMilliseconds: Int64 = 4_000

  /// Mailboxes are searched in portions: entries of the first one, which then doubles.
  package static let retryFirstPortionEntries = 16

  /// Entries of the largest portion, over all mailboxes of a batch.
  package static let retryPortionEntries = 128

  /// The fewest entries of each mailbox in a portion, however many take turns.
  package static let retryEntriesPerMailbox = 4

  /// Bytes into which a portion should fit, as far as can be told before: a millisecond of Redis.
  package static let retryPortionBytes = 1024 * 1024

  /// Entries of searched mailboxes that a partition's owner remembers, so that the next look-up reads
  /// none of them again; 24 bytes each.
  package static let rememberedSearchedEntries = 32_768

  /// Mailboxes whose last offset a messaging instance remembers; about 170 bytes each.
  package static let rememberedMailboxes = 100_000

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

  /// The default of ``MailboxLimits/retentionSeconds``: 30 days.
  package static let mailboxRetentionSeconds = 30 * 86_400

  /// How long a mailbox and its cursors outlive the retention, in seconds: more than lies between two
  /// looks after a mailbox, so that the key is there as long as any of its entries.
  package static let mailboxExpirySlackSeconds = 2 * 86_400

  /// A mailbox that is written is looked after once in this time, in seconds, …
  package static let mailboxLookSeconds = 86_400

  /// … and each time it has grown by so many entries beyond its history.
  package static let mailboxLookEntries = 256

  /// Entries that one call of `trim_mailbox.lua` removes at most: it blocks Redis meanwhile.
  package static let entriesPerTrim = 512

  /// Bytes of entries that one call has in hand, about: it removes fewer of large ones. It reads them twice
  /// at most, 3 ms for each MiB.
  package static let bytesPerTrim = 1024 * 1024

  /// The fewest entries that one call removes, however large they are.
  package static let fewestEntriesPerTrim = 16

  /// Calls that make room in full mailboxes before one batch at most: enough for as many frames of 64 KiB
  /// as it has entries.
  package static let trimsPerBatch = 16

  /// Devices that a user may have, connected or not. A new one displaces the one that was not seen for
  /// longest.
  package static let devicesPerUser = 32

  /// The most that may be configured, and the devices that one trimming of a mailbox looks at.
  package static let maximumDevices = 256

  /// Entries that one call of `erase_user.lua` removes at most: Redis serves nobody else meanwhile.
  package static let entriesPerErasure = 4_096

  /// How long the erasing of a user waits until gateways have let the user's connections go, in
  /// milliseconds, …
  package static let closingMilliseconds: Int64 = 2_000

  /// … and how often it looks.
  package static let closingPollMilliseconds: Int64 = 10

  /// How often a partition's owner looks after mailboxes that are due, in milliseconds, …
  package static let trimMilliseconds: Int64 = 125

  /// … and how many at a time at most. Redis serves nobody else during such a batch.
  package static let mailboxesPerTrim = 8

  /// Mailboxes that wait to be looked after by a partition's owner at most. Others come to it with
  /// their next message.
  package static let mailboxesToTrim = 16_384

  /// After a failure, a consumer tries again after a random time up to this, doubling
  /// up to ``consumerBackoffCapMilliseconds``.
  package static let consumerBackoffBaseMilliseconds: Int64 = 50

  /// The longest time up to which that doubles.
  package static let consumerBackoffCapMilliseconds: Int64 = 2_000

  /// A consumer that waits since Redis could not be reached goes on within this time once it can.
  static let consumerPauseStepMilliseconds: Int64 = 20

  /// Streams, instances or devices that an inspection asks about with one pipeline.
  package static let inspectedKeysPerBatch = 64

  /// Instances of a service that an inspection lists at most.
  package static let inspectedInstances = 1_000

  /// Entries of a mailbox that an inspection counts at most, to say how far behind a device is.
  package static let inspectedEntries = 1_024
}
