/// # MessageBus
///
/// What lies in Redis, and how the two services reach it: the `incoming` partitions, one `outgoing`
/// stream per gateway, a mailbox per user, and who is connected where.
///
/// - `Envelopes/` is what an entry contains, byte for byte.
/// - `Incoming/` is the way from a gateway to messaging, `Outgoing/` the way back.
/// - `Mailbox/` is what a user must see, and how far each device has got.
/// - `Sessions/` is which gateway holds which device.
/// - `Streams/` is Redis Streams as values.

/// Every limit and default of the bus, each with its unit.
public enum BusLimits {
  /// The number of `incoming` partitions. It is part of the data: see ``PartitionGuard``.
  public static let defaultPartitions = 16

  /// More partitions would cost a blocking connection each and gain nothing.
  public static let maximumPartitions = 1_024

  /// Entries that one read of a stream brings at most.
  public static let entriesPerRead = 128

  /// How long one blocking read waits for entries.
  public static let blockMilliseconds: Int64 = 5_000

  /// How often a consumer looks for pending entries that went astray; see `GroupConsumer+Run`.
  public static let claimMilliseconds: Int64 = 10_000

  /// What a consumer has finished is acknowledged after this time at the latest …
  public static let acknowledgeMilliseconds: Int64 = 100

  /// … and as soon as it is this many entries. No more than these are repeated after a crash, beside
  /// what was being handled.
  public static let acknowledgeEntries = 512

  /// A gateway's stream and heartbeat vanish after this time without a sign of life.
  public static let gatewayTimeToLiveSeconds = 60

  /// How often a gateway gives that sign.
  public static let gatewayHeartbeatSeconds: Int64 = 15

  /// Messages that one entry of an `outgoing` stream carries at most.
  public static let deliveriesPerEntry = 128

  /// Bytes after which an entry of an `outgoing` stream is full.
  public static let bytesPerDeliveryEntry = 256 * 1024

  /// How many of a mailbox's newest entries are searched for a message that a client sent again. It
  /// must be more than all senders to one recipient leave unanswered when a gateway or Redis goes
  /// away: `ConnectClient` leaves 256 at most.
  public static let retryWindowEntries = 2_048

  /// Mailboxes whose last offset a messaging instance remembers; about 150 bytes each.
  public static let rememberedMailboxes = 100_000

  /// After a failure, a consumer tries again after a random time up to this, doubling …
  public static let consumerBackoffBaseMilliseconds: Int64 = 50

  /// … up to this.
  public static let consumerBackoffCapMilliseconds: Int64 = 2_000
}
