/// The rights that Connect needs in Redis, as rules of an ACL user. Each is tested: with all of
/// them everything works.
package enum AccessRights {
  /// The rights of the services.
  ///
  /// - Parameter prefix: that of all keys.
  package static func services(prefix: String = Keys.defaultPrefix) -> [String] {
    ["resetkeys", "~\(prefix)*", "resetchannels", "-@all"] + Self.commands.map { "+\($0)" }
  }

  private static let commands = [
    // Connections, and what a cluster is.
    "auth", "select", "ping", "cluster|slots", "asking",
    // Streams.
    "xadd", "xrange", "xrevrange", "xlen", "xgroup|create", "xgroup|setid", "xgroup|destroy",
    "xread", "xreadgroup", "xpending", "xtrim", "xinfo|stream", "xinfo|groups", "multi", "exec",
    "time", "memory|usage",
    // Of releases before 0.4, which go on working while they are replaced.
    "xack",
    // Hashes, strings and sets.
    "hget", "hset", "hmget", "hgetall", "hdel", "hexists", "hincrby", "hlen", "hrandfield",
    "hsetnx", "expire", "pexpire", "del", "set", "get", "sadd", "srem", "smembers", "srandmember",
    "exists", "ttl",
    // Replicas and scripts.
    "wait", "eval", "evalsha", "script|load",
  ]
}
