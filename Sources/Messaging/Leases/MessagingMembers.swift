import MessageBus
import Redis

/// Which messaging instances there are: a set of all that joined, and a key of each that is alive.
///
/// The sign of life is extended by PEXPIRE, which works while Redis is out of memory.
package enum MessagingMembers {
  /// Appends that `instance` is there. Three commands.
  ///
  /// - Parameter fields: names and values, for operators to read.
  package static func join(
    _ instance: InstanceID, fields: [(String, String)], milliseconds: Int64, _ keys: Keys,
    to batch: inout RedisBatch
  ) {
    let key = keys.messaging(instance)
    batch.append(key: key, words: ["HSET", "\(key)"] + fields.flatMap { [$0.0, $0.1] })
    batch.append(key: key, "PEXPIRE", "\(key)", "\(milliseconds)")
    let members = keys.messagingMembers
    batch.append(key: members, "SADD", "\(members)", instance.text)
  }

  /// Appends a heartbeat; ``wasAlive(_:at:)`` reads the answer.
  package static func beat(
    _ instance: InstanceID, milliseconds: Int64, _ keys: Keys, to batch: inout RedisBatch
  ) {
    let key = keys.messaging(instance)
    batch.append(key: key, "PEXPIRE", "\(key)", "\(milliseconds)")
  }

  /// Whether there was an earlier heartbeat; else the instance must join again.
  package static func wasAlive(
    _ replies: RedisReplies, at index: Int
  ) throws(RedisError) -> Bool {
    var cursor = try replies.cursor(index)
    return try cursor.integer() == 1
  }

  /// Appends two commands that remove `instance`.
  package static func leave(_ instance: InstanceID, _ keys: Keys, to batch: inout RedisBatch) {
    let key = keys.messaging(instance)
    batch.append(key: key, "DEL", "\(key)")
    self.forget(instance, keys, to: &batch)
  }

  /// Appends the removal of `instance`, which is dead, from the members.
  package static func forget(_ instance: InstanceID, _ keys: Keys, to batch: inout RedisBatch) {
    let members = keys.messagingMembers
    batch.append(key: members, "SREM", "\(members)", instance.text)
  }

  /// Appends a read of the members.
  package static func all(_ keys: Keys, to batch: inout RedisBatch) {
    let members = keys.messagingMembers
    batch.append(key: members, "SMEMBERS", "\(members)")
  }

  package static func all(_ replies: RedisReplies, at index: Int) throws(RedisError) -> [InstanceID]
  {
    var cursor = try replies.cursor(index)
    var members: [InstanceID] = []
    for _ in 0..<(try cursor.array() ?? 0) {
      if let member = try cursor.string().flatMap({ InstanceID($0) }) { members.append(member) }
    }
    return members
  }

  /// Appends a check of the heartbeat; ``isAlive(_:at:)`` reads the answer.
  package static func isAlive(_ instance: InstanceID, _ keys: Keys, to batch: inout RedisBatch) {
    let key = keys.messaging(instance)
    batch.append(key: key, "EXISTS", "\(key)")
  }

  package static func isAlive(_ replies: RedisReplies, at index: Int) throws(RedisError) -> Bool {
    var cursor = try replies.cursor(index)
    return try cursor.integer() == 1
  }
}
