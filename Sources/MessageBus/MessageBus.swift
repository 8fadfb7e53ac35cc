/// # MessageBus
///
/// The data in Redis, and how the two services reach it: the `incoming` partitions, one `outgoing`
/// stream per gateway, a mailbox per user, and who is connected where.
///
/// - `Envelopes/` is what an entry contains, byte for byte.
/// - `Incoming/` is the way from a gateway to messaging, `Outgoing/` the way back.
/// - `Mailbox/` is what a user must see, and how far each device has got.
/// - `Positions/` is how far each conversation of a user is delivered and read.
/// - `Sessions/` is which gateway holds which device.
/// - `Streams/` is Redis Streams as values, and the consumer that reads them.
/// - `Scripts/` is Lua, where a comparison must precede a write.

/// Every limit and default of the bus, each with its unit.
package enum BusLimits {
  /// The number of `incoming` partitions. It is part of the data: see ``DataLayout``.
  package static let defaultPartitions = 16

  /// More partitions cost a blocking connection each and gain nothing.
  package static let maximumPartitions = 1_024

  /// The most entries that one read of a stream returns.
  package static let entriesPerRead = 128

  /// Blocking reads of a stream that are under way at once, at most, while entries come one by one.
  package static let readsAhead = 8

  /// Time that blocking reads wait for entries, all that are sent at once together.
  package static let blockMilliseconds: Int64 = 5_000

  /// Finished entries are acknowledged after this time at the latest.
  package static let acknowledgeMilliseconds: Int64 = 100

  /// Finished entries that are acknowledged without waiting for that time. No more than these are
  /// repeated after a crash, beside what was being handled or was read ahead.
  package static let acknowledgeEntries = 512

  /// Dead letters kept, approximately; beyond them the oldest are removed.
  package static let deadLettersKept = 100_000

  /// A gateway's stream and heartbeat expire after this time without a heartbeat.
  package static let gatewayTimeToLiveSeconds = 60

  /// Interval of a gateway's heartbeats.
  package static let gatewayHeartbeatSeconds: Int64 = 15

  /// Other gateways that a gateway looks at with each heartbeat, at random, to clean up after
  /// those that died.
  package static let gatewaysPerSweep = 64

  /// Entries that an `outgoing` stream has, about: a gateway that reads no more (it is paused, say)
  /// loses the oldest pushes beyond them, and its connections find the messages in the mailbox.
  package static let outgoingEntries = 4_096

  /// Entries in an `incoming` partition above which gateways accept no more sends to it.
  package static let backlogEntries = 50_000

  /// Places for tokens of published entries that an event loop keeps while none is in use.
  package static let publishTokensKept = 256

  /// Entries of a partition that one event loop sends at once, at most. Several of one sender are a
  /// transaction, in which Redis serves nobody else, at some microseconds for each entry. Their bytes are
  /// bounded by what an event loop of a gateway may have unanswered.
  package static let entriesPerTransaction = 512

  /// How often a gateway looks at the length of the partitions, in milliseconds. So the backlog can
  /// grow beyond its limit by what arrives in this time.
  package static let backlogMilliseconds: Int64 = 500

  /// Time that a producer waits for replicas, in milliseconds; see ``Durability``.
  package static let replicationMilliseconds: Int64 = 1_000

  /// The most messages in one entry of an `outgoing` stream.
  package static let deliveriesPerEntry = 128

  /// Bytes after which an entry of an `outgoing` stream is full.
  package static let bytesPerDeliveryEntry = 256 * 1024

  /// The default of ``MailboxLimits/retentionSeconds``: 30 days.
  package static let mailboxRetentionSeconds = 30 * 86_400

  /// How long a mailbox and its cursors outlive the retention, in seconds: more than lies between two
  /// looks after a mailbox, so that the key is there as long as any of its entries.
  package static let mailboxExpirySlackSeconds = 2 * 86_400

  /// Devices that a user may have, connected or not. A new one displaces the one that was not seen for
  /// longest.
  package static let devicesPerUser = 32

  /// The most that may be configured, and the devices that one trimming of a mailbox looks at.
  package static let maximumDevices = 256

  /// Conversations of a user whose positions are kept. One row takes about 120 bytes of Redis's memory.
  package static let positionsPerUser = 1_000

  /// After a failure, a consumer tries again after a random time up to this, doubling
  /// up to ``consumerBackoffCapMilliseconds``.
  package static let consumerBackoffBaseMilliseconds: Int64 = 50

  /// The most to which that time doubles.
  package static let consumerBackoffCapMilliseconds: Int64 = 2_000
}
