import Redis

/// Keeps services apart that would lay out the same data differently.
///
/// A user's messages must all come through one partition: that is what orders them. And they must all
/// be in one mailbox, in the Redis where all look for it. So the number of partitions, and whether there
/// is a second Redis, are part of the data, written by the first service that ever starts, and a service
/// that was told something else must not run.
package enum PartitionGuard {
  /// The configuration of this service contradicts the data.
  package struct Mismatch: Error, CustomStringConvertible {
    let configured: DataLayout
    let stored: String
    let key: String

    package var description: String {
      let layout = DataLayout(self.stored)
      let partitions = layout.map { "\($0.partitions)" } ?? PrintableText.of(self.stored)
      let otherPrefix = "or another --key-prefix"
      if let layout, layout.hasRegistryRedis != self.configured.hasRegistryRedis {
        return layout.hasRegistryRedis
          ? """
          this Redis holds the bus of data whose users are in a second Redis (key \(self.key)); name \
          that with --registry-redis-url, \(otherPrefix)
          """
          : """
          this Redis holds data with its users (key \(self.key)), but a second Redis is configured \
          for these; leave --registry-redis-url out, \(otherPrefix), or move the users first: see \
          Redis.md#From-one-to-two
          """
      }
      return """
        this Redis holds data for \(partitions) partitions (key \(self.key)), but \
        \(self.configured.partitions) are configured; set --partitions \(partitions), \(otherPrefix)
        """
    }
  }

  /// The mismatch for a reader, which need not be told the number of partitions: users are
  /// elsewhere than in these keys' Redis. Nil if they are not, or if there is no layout.
  package static func mismatch(of layout: DataLayout?, whereUsersAre keys: Keys) -> Mismatch? {
    guard let layout, layout.hasRegistryRedis != keys.hasRegistryRedis else { return nil }
    return Mismatch(
      configured: DataLayout(of: keys), stored: "\(layout)", key: "\(keys.partitionCount)")
  }

  /// Appends the layout if there is none: for services that run when the keyspace is lost.
  @discardableResult
  package static func restore(_ keys: Keys, to batch: inout RedisBatch) -> Reply<Void> {
    let key = keys.partitionCount
    return batch.append("SET", key, "\(DataLayout(of: keys))", "NX")
  }

  /// Adds the key to the error, since Redis does not say which key it refuses.
  private static func about<Value>(
    _ key: RedisKey, _ read: () throws(RedisError) -> Value
  ) throws(RedisError) -> Value {
    do throws(RedisError) {
      return try read()
    } catch .server(let refusal) where refusal.code == "NOPERM" {
      throw .server(RedisServerError("\(refusal.message) (the key was \(key))"))
    }
  }

  /// Writes the layout if there is none.
  ///
  /// - Throws: ``Mismatch``, or a `RedisError`.
  package static func check(_ keys: Keys, with client: any RedisClient) async throws {
    let layout = DataLayout(of: keys)
    let key = keys.partitionCount
    var batch = RedisBatch()
    let restored = Self.restore(keys, to: &batch)
    let value = batch.value(of: key)
    let replies = await client.execute(batch)
    let found = try Self.about(key) { () throws(RedisError) in try replies[value] }
    guard let stored = found else {
      // Only SET's own error says why there is still no layout.
      try replies[restored]
      throw RedisError.unexpectedReply("SET NX and then GET of \(key) found nothing")
    }
    guard stored == "\(layout)" else {
      throw Mismatch(configured: layout, stored: stored, key: "\(key)")
    }
  }

  /// Looks whether the Redis of the users' keys serves us. Writes nothing there: what must be known of
  /// the data is in the bus's.
  package static func checkRegistry(
    _ keys: Keys, with client: any RedisClient
  ) async throws(RedisError) {
    var batch = RedisBatch()
    let exists = batch.exists(keys.registry)
    let replies = await client.execute(batch)
    _ = try Self.about(keys.registry) { () throws(RedisError) in try replies[exists] }
  }
}
