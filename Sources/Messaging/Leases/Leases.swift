import MessageBus
import Redis

/// Says which instance owns a partition, and since which acquisition.
package struct LeaseToken: Sendable, Hashable, CustomStringConvertible {
  package let instance: InstanceID
  /// Tells acquisitions of one instance apart.
  package let nonce: String

  /// A token for a new acquisition.
  package init(instance: InstanceID) {
    self.instance = instance
    self.nonce = String(UInt64.random(in: .min ... .max), radix: 36)
  }

  /// Reads a lease's value; nil if it is none.
  package init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 1)
    guard parts.count == 2, let instance = InstanceID(String(parts[0])) else { return nil }
    self.instance = instance
    self.nonce = String(parts[1])
  }

  /// Whoever wrote something else.
  static let stranger = LeaseToken("-:-")!

  /// `<instance>:<nonce>`, as it stands in Redis.
  package var description: String { "\(self.instance):\(self.nonce)" }
}

extension Script {
  static let holdLease = Script(PackageResources.hold_lease_lua)
  static let releaseLease = Script(PackageResources.release_lease_lua)
}

/// Who owns which partition: a string per partition that lapses unless its owner extends it.
///
/// The pattern of the Kinesis client library's lease table. A lease decides who works, so that
/// nobody works twice; what keeps order and once-ness is the mailbox, should two work all the same.
/// It is asked for where a session begins and where something is stored that may have been removed.
package enum Leases {
  /// Appends the question who owns `partition`.
  package static func holder(of partition: Partition, _ keys: Keys, to batch: inout RedisBatch) {
    let key = keys.lease(partition)
    batch.append(key: key, "GET", "\(key)")
  }

  /// Reads who owns a partition; nil if nobody does. A value that is no token counts as a stranger's.
  package static func holder(
    _ replies: RedisReplies, at index: Int
  ) throws(RedisError) -> LeaseToken? {
    var cursor = try replies.cursor(index)
    return try cursor.string().map { LeaseToken($0) ?? .stranger }
  }

  /// Appends the extension of a lease, or the taking of one that nobody holds; ``holder(_:at:)`` reads
  /// who holds it then.
  package static func hold(
    _ partition: Partition, as token: LeaseToken, milliseconds: Int64, _ keys: Keys,
    to batch: inout RedisBatch
  ) {
    Script.holdLease.appendWithSource(
      keys: [keys.lease(partition)], arguments: ["\(token)", "\(milliseconds)"], to: &batch)
  }

  /// Appends the giving up of a lease.
  package static func release(
    _ partition: Partition, as token: LeaseToken, _ keys: Keys, to batch: inout RedisBatch
  ) {
    Script.releaseLease.appendWithSource(
      keys: [keys.lease(partition)], arguments: ["\(token)"], to: &batch)
  }
}
