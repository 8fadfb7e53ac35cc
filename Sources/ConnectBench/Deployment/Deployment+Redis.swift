import ConnectProtocol
import LocalCluster
import LocalRedis
import MessageBus
import Redis

extension Deployment {
  /// The keys in its Redis; those of users are in the second one, if there are two.
  package static let keys = Keys(partitions: PartitionMap(), hasRegistryRedis: true)

  /// Sends one command to Redis, which must run.
  ///
  /// - Throws: Redis's own error reply, too.
  @discardableResult
  package func redis(_ words: String...) async throws -> ReplyCursor {
    try await self.redis(words)
  }

  /// Sends one command to Redis, which must be running.
  @discardableResult
  package func redis(_ words: [String]) async throws -> ReplyCursor {
    var batch = RedisBatch()
    let reply = batch.append(
      key: words.count > 1 ? Self.keys.key(named: words[1]) : nil, words: words
    ).cursor()
    // A node that has come back is reached again within seconds.
    return try await eventually("Redis to take \(words[0])", limit: FaultLimits.recovery) {
      do {
        return try await self.client.execute(batch)[reply]
      } catch RedisError.unavailable {
        return nil
      } catch RedisError.unanswered where Self.reads.contains(words[0]) {
        // A busy machine, perhaps.
        return nil
      }
    }
  }

  /// Commands that may be sent again without an answer.
  private static let reads: Set<String> = ["XLEN", "XRANGE", "XREVRANGE", "XINFO"]

  /// Sends a command to each primary of a Redis.
  package func onEachPrimary(
    of redis: LocalRedisInstallation, _ words: String...
  ) async throws {
    for primary in try await redis.primaries() { try await primary.command(words) }
  }

  /// The names of all keys that match a pattern, by default in the Redis of the bus.
  package func keys(
    matching pattern: String, in redis: LocalRedisInstallation? = nil
  ) async throws -> [String] {
    var keys: [String] = []
    for primary in try await (redis ?? self.redis).primaries() {
      let reply = try await primary.command("KEYS", pattern)
      keys += reply.array?.compactMap(\.string) ?? []
    }
    return keys
  }

  package func length(of key: RedisKey) async throws -> Int {
    var cursor = try await self.redis("XLEN", key.description)
    return try cursor.integer()
  }

  package func mailboxLength(of user: String) async throws -> Int {
    guard let user = UserName(user) else { return 0 }
    return try await self.length(of: Self.keys.mailbox(user))
  }

  /// How many messages are on the bus, with those of which only the removal is due.
  func backlog() async throws -> Int {
    let keys = Keys(partitions: self.partitions, hasRegistryRedis: true)
    var count = 0
    for partition in self.partitions.all {
      count += try await self.length(of: keys.incoming(partition))
    }
    return count
  }

  package var incomingKeys: [String] {
    Self.keys.partitions.all.map { Self.keys.incoming($0).description }
  }
}

extension Deployment {
  /// The names of a stream's consumer groups; none if the stream does not exist.
  func groups(of stream: String) async throws -> [String] {
    guard var cursor = try? await self.redis("XINFO", "GROUPS", stream) else { return [] }
    var names: [String] = []
    for _ in 0..<(try cursor.array() ?? 0) {
      // A flat list of names and values, of which the first is `name`.
      let count = try cursor.array() ?? 0
      guard count >= 2 else { continue }
      cursor.skip()
      names.append(try cursor.string() ?? "")
      for _ in 2..<count { cursor.skip() }
    }
    return names
  }
}

extension Deployment {
  /// Counts what is none of the log among the newest entries of mailboxes: receipts, positions and signals.
  func strayEntries(in users: [UserName]) async throws -> Int {
    var count = 0
    for user in users {
      var cursor = try await self.redis(
        "XREVRANGE", Self.keys.mailbox(user).description, "+", "-", "COUNT",
        "\(FaultLimits.entriesLookedAt)")
      count += try StreamEntry.list(from: &cursor).map(Mailbox.Entry.init).count { entry in
        switch entry.envelope?.kind {
        case .message, .failed, .sent: entry.envelope?.isSignal ?? false
        case .position, .formerReceipt, nil: true
        }
      }
    }
    return count
  }

  /// The fields of all dead letters, oldest first.
  package func deadLetters() async throws -> [[String: String]] {
    var cursor = try await self.redis("XRANGE", Self.keys.deadLetters.description, "-", "+")
    return try (0..<(cursor.array() ?? 0)).map { _ in
      _ = try cursor.array()
      cursor.skip()
      var fields: [String: String] = [:]
      for _ in 0..<(try cursor.array() ?? 0) / 2 {
        let name = try cursor.string() ?? ""
        fields[name] = try cursor.string() ?? ""
      }
      return fields
    }
  }
}

extension Envelope {
  /// Whether a chatter's signal is in it.
  fileprivate var isSignal: Bool {
    self.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
      .contains(SignalLedger.name.text)
  }
}
