import MessageBus
import Redis

/// The instance that holds a lease, and the acquisition that made it the holder.
package struct LeaseToken: Sendable, Hashable, CustomStringConvertible {
  package let instance: InstanceID
  /// Distinguishes acquisitions of one instance.
  package let nonce: String

  package init(instance: InstanceID) {
    self.instance = instance
    self.nonce = String(UInt64.random(in: .min ... .max), radix: 36)
  }

  /// Reads a lease's value; nil if it is not a token.
  package init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 1)
    guard parts.count == 2, let instance = InstanceID(String(parts[0])) else { return nil }
    self.instance = instance
    self.nonce = String(parts[1])
  }

  /// Holder of a lease whose value is not a token.
  static let stranger = LeaseToken("-:-")!

  /// `<instance>:<nonce>`, as stored in Redis.
  package var description: String { "\(self.instance):\(self.nonce)" }
}

extension Script {
  static let acquireLease = Script(PackageResources.acquire_lease_lua)
  static let releaseLease = Script(PackageResources.release_lease_lua)
}

/// The owners of partitions: a lease per partition, a string that lapses unless its holder renews it.
///
/// The pattern of the Kinesis client library's lease table. A lease decides who works, so that
/// nobody works twice; should two work all the same, the mailbox keeps the order and drops repeats.
/// It is asked for where a reading session begins, and where something is stored that may have been
/// removed.
package enum Leases {
  /// Appends a read of the holder of a partition's lease; nil if there is none. A malformed value is a
  /// stranger's.
  package static func holder(
    of partition: Partition, _ keys: Keys, to batch: inout RedisBatch
  ) -> Reply<LeaseToken?> {
    let key = keys.lease(partition)
    return batch.append("GET", key, isRepeatable: true).reading(Self.token)
  }

  /// Appends the acquisition of a lease that nobody holds, or its renewal if `token` holds it.
  ///
  /// - Returns: the holder then.
  package static func acquire(
    _ partition: Partition, as token: LeaseToken, milliseconds: Int64, _ keys: Keys,
    to batch: inout RedisBatch
  ) -> Reply<LeaseToken?> {
    batch.evaluate(.acquireLease, keys: [keys.lease(partition)], "\(token)", "\(milliseconds)")
      .reading(Self.token)
  }

  /// Appends the release of a lease, unless another instance holds it by now.
  package static func release(
    _ partition: Partition, as token: LeaseToken, _ keys: Keys, to batch: inout RedisBatch
  ) {
    batch.evaluate(.releaseLease, keys: [keys.lease(partition)], "\(token)")
  }

  private static func token(_ cursor: inout ReplyCursor) throws(RedisError) -> LeaseToken? {
    try cursor.string().map { LeaseToken($0) ?? .stranger }
  }
}
