/// Commands of strings, hashes, sets and keys, as far as Connect uses them.
extension RedisBatch {
  /// `GET`; nil if there is no value.
  @discardableResult
  package mutating func value(of key: RedisKey) -> Reply<String?> {
    self.append("GET", key, isRepeatable: true).string()
  }

  /// `SET … EX`.
  package mutating func set(_ key: RedisKey, to value: String, seconds: Int) -> Reply<Void> {
    self.append("SET", key, value, "EX", "\(seconds)", isRepeatable: true)
  }

  /// `EXISTS`.
  package mutating func exists(_ key: RedisKey) -> Reply<Bool> {
    self.append("EXISTS", key, isRepeatable: true).flag()
  }

  /// `DEL`.
  package mutating func delete(_ key: RedisKey) { self.append("DEL", key) }

  /// `EXPIRE`: whether there is such a key.
  @discardableResult
  package mutating func expire(_ key: RedisKey, seconds: Int) -> Reply<Bool> {
    self.append(arguments: 3, key: key, bytes: 6 + key.byteCount + 20, isRepeatable: true) {
      writer in
      writer.bulk("EXPIRE")
      writer.bulk(key)
      writer.bulk(seconds)
    }.flag()
  }

  /// `PEXPIRE`: whether there is such a key.
  @discardableResult
  package mutating func expire(_ key: RedisKey, milliseconds: Int64) -> Reply<Bool> {
    self.append("PEXPIRE", key, "\(milliseconds)", isRepeatable: true).flag()
  }

  /// `PTTL`: time until the key expires, in milliseconds; nil if it never does, or does not exist.
  package mutating func timeToLive(of key: RedisKey) -> Reply<Int?> {
    self.append("PTTL", key, isRepeatable: true).reading {
      cursor throws(RedisError) in
      let milliseconds = try cursor.integer()
      return milliseconds >= 0 ? milliseconds : nil
    }
  }

  /// `TTL`: seconds until the key expires; -1 if it never does, -2 if it does not exist.
  package mutating func secondsToLive(of key: RedisKey) -> Reply<Int> {
    self.append("TTL", key, isRepeatable: true).integer()
  }

  /// `TIME`: the server's clock, in milliseconds since 1970.
  package mutating func time() -> Reply<UInt64> {
    self.append("TIME", isRepeatable: true).reading { cursor throws(RedisError) in
      guard try cursor.array() == 2, let seconds = try cursor.string().flatMap({ UInt64($0) }),
        let microseconds = try cursor.string().flatMap({ UInt64($0) }), seconds < 1 << 40
      else { throw .unexpectedReply("TIME answered no time") }
      return seconds * 1_000 + microseconds / 1_000
    }
  }

  // MARK: Hashes

  /// `HGET`: a string, nil if there is no such field, which `read` reads.
  package mutating func value<Value>(
    of field: String, in hash: RedisKey, _ read: @escaping Reply<Value>.Read
  ) -> Reply<Value> {
    self.append(
      arguments: 3, key: hash, bytes: 4 + hash.byteCount + field.utf8.count, isRepeatable: true
    ) { writer in
      writer.bulk("HGET")
      writer.bulk(hash)
      writer.bulk(field)
    }.reading(read)
  }

  /// `HSET`.
  package mutating func set(_ fields: [(name: String, value: String)], in hash: RedisKey) {
    self.append("HSET", hash, words: fields.flatMap { [$0.name, $0.value] })
  }

  /// `HSETNX`: sets a field that there is not.
  @discardableResult
  package mutating func setIfMissing(
    _ field: String, to value: String, in hash: RedisKey
  ) -> Reply<Void> {
    self.append("HSETNX", hash, field, value)
  }

  /// `HGETALL`: names and values in turn, which `read` reads.
  package mutating func fields<Value>(
    of hash: RedisKey, _ read: @escaping Reply<Value>.Read
  ) -> Reply<Value> {
    self.append(arguments: 2, key: hash, bytes: 7 + hash.byteCount, isRepeatable: true) { writer in
      writer.bulk("HGETALL")
      writer.bulk(hash)
    }.reading(read)
  }

  /// `HGETALL`; empty if the key does not exist.
  package mutating func fields(of hash: RedisKey) -> Reply<[String: String]> {
    self.fields(of: hash) { cursor throws(RedisError) in
      var fields: [String: String] = [:]
      for _ in 0..<(try cursor.array() ?? 0) / 2 {
        let name = try cursor.string() ?? ""
        fields[name] = try cursor.string() ?? ""
      }
      return fields
    }
  }

  // MARK: Sets

  /// `SADD`.
  package mutating func insert(_ member: String, into set: RedisKey) {
    self.append("SADD", set, member)
  }

  /// `SREM`.
  package mutating func remove(_ member: String, from set: RedisKey) {
    self.append("SREM", set, member)
  }

  /// `SMEMBERS`.
  package mutating func members(of set: RedisKey) -> Reply<[String]> {
    self.append("SMEMBERS", set, isRepeatable: true).strings()
  }

  /// `SRANDMEMBER`: at most `maximum` members, at random.
  package mutating func someMembers(of set: RedisKey, maximum: Int) -> Reply<[String]> {
    self.append("SRANDMEMBER", set, "\(maximum)", isRepeatable: true).strings()
  }

  /// `SCARD`.
  package mutating func memberCount(of set: RedisKey) -> Reply<Int> {
    self.append("SCARD", set, isRepeatable: true).count()
  }
}

extension Reply<Void> {
  /// An array of strings; nil counts as none.
  package func strings() -> Reply<[String]> {
    self.reading { cursor throws(RedisError) in
      var strings: [String] = []
      for _ in 0..<(try cursor.array() ?? 0) {
        if let string = try cursor.string() { strings.append(string) }
      }
      return strings
    }
  }
}
