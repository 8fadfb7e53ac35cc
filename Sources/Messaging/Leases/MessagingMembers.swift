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

  /// Appends a sign of life; ``wasAlive(_:at:)`` reads its answer.
  package static func beat(
    _ instance: InstanceID, milliseconds: Int64, _ keys: Keys, to batch: inout RedisBatch
  ) {
    let key = keys.messaging(instance)
    batch.append(key: key, "PEXPIRE", "\(key)", "\(milliseconds)")
  }

  /// Whether the sign of life was there; else the instance must join again.
  package static func wasAlive(
    _ replies: RedisReplies, at index: Int
  ) throws(RedisError) -> Bool {
    var cursor = try replies.cursor(index)
    return try cursor.integer() == 1
  }

  /// Appends that `instance` is gone. Two commands.
  package static func leave(_ instance: InstanceID, _ keys: Keys, to batch: inout RedisBatch) {
    let key = keys.messaging(instance)
    batch.append(key: key, "DEL", "\(key)")
    self.forget(instance, keys, to: &batch)
  }

  /// Appends that `instance`, which is dead, is no member any more.
  package static func forget(_ instance: InstanceID, _ keys: Keys, to batch: inout RedisBatch) {
    let members = keys.messagingMembers
    batch.append(key: members, "SREM", "\(members)", instance.text)
  }

  /// Appends the question who has joined.
  package static func all(_ keys: Keys, to batch: inout RedisBatch) {
    let members = keys.messagingMembers
    batch.append(key: members, "SMEMBERS", "\(members)")
  }

  /// Reads who has joined.
  package static func all(_ replies: RedisReplies, at index: Int) throws(RedisError) -> [InstanceID]
  {
    var cursor = try replies.cursor(index)
    var members: [InstanceID] = []
    for _ in 0..<(try cursor.array() ?? 0) {
      if let member = try cursor.string().flatMap({ InstanceID($0) }) { members.append(member) }
    }
    return members
  }

  /// Appends the question whether `instance` is alive; ``isAlive(_:at:)`` reads the answer.
  package static func isAlive(_ instance: InstanceID, _ keys: Keys, to batch: inout RedisBatch) {
    let key = keys.messaging(instance)
    batch.append(key: key, "EXISTS", "\(key)")
  }

  /// Whether the instance that was asked for is alive.
  package static func isAlive(_ replies: RedisReplies, at index: Int) throws(RedisError) -> Bool {
    var cursor = try replies.cursor(index)
    return try cursor.integer() == 1
  }
}
