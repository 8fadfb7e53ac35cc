import MessageBus
import Redis

/// Which messaging instances there are: a set of all that joined, and a key of each that is alive.
///
/// The heartbeat is a PEXPIRE, which works while Redis is out of memory.
package enum MessagingMembers {
  /// Appends that `instance` is there. Three commands.
  ///
  /// - Parameter fields: names and values, for operators to read.
  package static func join(
    _ instance: InstanceID, fields: [(String, String)], milliseconds: Int64, _ keys: Keys,
    to batch: inout RedisBatch
  ) {
    let key = keys.messaging(instance)
    batch.set(fields.map { (name: $0.0, value: $0.1) }, in: key)
    batch.expire(key, milliseconds: milliseconds)
    batch.insert(instance.text, into: keys.messagingMembers)
  }

  /// Appends a heartbeat.
  ///
  /// - Returns: whether there was an earlier heartbeat; else the instance must join again.
  package static func beat(
    _ instance: InstanceID, milliseconds: Int64, _ keys: Keys, to batch: inout RedisBatch
  ) -> Reply<Bool> {
    batch.expire(keys.messaging(instance), milliseconds: milliseconds)
  }

  /// Appends two commands that remove `instance`.
  package static func leave(_ instance: InstanceID, _ keys: Keys, to batch: inout RedisBatch) {
    batch.delete(keys.messaging(instance))
    self.forget(instance, keys, to: &batch)
  }

  /// Appends the removal of `instance`, which is dead, from the members.
  package static func forget(_ instance: InstanceID, _ keys: Keys, to batch: inout RedisBatch) {
    batch.remove(instance.text, from: keys.messagingMembers)
  }

  /// Appends a read of the members.
  package static func all(_ keys: Keys, to batch: inout RedisBatch) -> Reply<[String]> {
    batch.members(of: keys.messagingMembers)
  }

  /// Appends a check of the heartbeat.
  package static func isAlive(
    _ instance: InstanceID, _ keys: Keys, to batch: inout RedisBatch
  ) -> Reply<Bool> {
    batch.exists(keys.messaging(instance))
  }
}
