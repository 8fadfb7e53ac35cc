import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// # Inspection
///
/// What an operator looks at in Redis, and dead letters that are sent again. A report for each thing, and
/// ``Inspector``, which makes them.

/// Reads what lies in Redis, for operators, while the services run.
///
/// Everything is bounded and goes out in portions, so that looking costs the services little; only
/// ``requeue(_:)``, ``drop(_:)`` and ``dropAll(through:)`` write. It uses commands that every Redis
/// 7.0, Valkey 7.2 and ElastiCache has, and needs, beyond what the services call, `INFO`, `PTTL`,
/// `SCARD` and `XDEL`.
package struct Inspector: Sendable {
  package let keys: Keys
  let client: any RedisClient

  /// - Parameter client: One that nothing else needs to wait for.
  package init(keys: Keys, client: any RedisClient) {
    self.keys = keys
    self.client = client
  }

  /// Nil if no service has ever started.
  package func storedLayout() async throws(RedisError) -> DataLayout? {
    let key = self.keys.partitionCount
    var batch = RedisBatch()
    batch.append(key: key, "GET", "\(key)")
    var cursor = try await self.client.execute(batch).cursor(0)
    return try cursor.string().flatMap { DataLayout($0) }
  }

  // MARK: Asking in portions

  /// Asks about each of many things, so many at once that a pipeline stays small.
  ///
  /// - Parameters:
  ///   - commands: how many commands `append` adds for each.
  ///   - read: is given the index of a thing's first reply.
  func ask<Item, Answer>(
    about items: [Item], commands: Int, _ append: (Item, inout RedisBatch) -> Void,
    _ read: (Item, RedisReplies, Int) throws(RedisError) -> Answer
  ) async throws(RedisError) -> [Answer] {
    var answers: [Answer] = []
    answers.reserveCapacity(items.count)
    var start = 0
    while start < items.count {
      let portion = items[start..<min(start + InspectionLimits.keysPerBatch, items.count)]
      start = portion.endIndex
      var batch = RedisBatch()
      for item in portion { append(item, &batch) }
      let replies = await self.client.execute(batch)
      for (position, item) in portion.enumerated() {
        answers.append(try read(item, replies, position * commands))
      }
    }
    return answers
  }

  /// The time by Redis's clock, which is that of offsets, in milliseconds since 1970. Of two Redis, it
  /// is the bus's that gives offsets.
  func now() async throws(RedisError) -> UInt64 {
    var batch = RedisBatch()
    batch.append("TIME")
    var cursor = try await self.client.execute(batch).cursor(0)
    guard try cursor.array() == 2, let seconds = try cursor.string().flatMap({ UInt64($0) }),
      let microseconds = try cursor.string().flatMap({ UInt64($0) })
    else { throw .unexpectedReply("TIME answered no two numbers") }
    let (milliseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000)
    let (now, carry) = milliseconds.addingReportingOverflow(microseconds / 1_000)
    guard !overflow, !carry else {
      throw .unexpectedReply("TIME answered \(seconds) seconds")
    }
    return now
  }

  /// The instances in a set, sorted, and the number of all of them.
  func instances(
    _ key: RedisKey
  ) async throws(RedisError) -> (ids: [InstanceID], total: Int) {
    var batch = RedisBatch()
    batch.append(key: key, "SCARD", "\(key)")
    // As many as SMEMBERS would answer, but for a limit.
    batch.append(key: key, "SRANDMEMBER", "\(key)", "\(InspectionLimits.instances)")
    let replies = await self.client.execute(batch)
    var count = try replies.cursor(0)
    var members = try replies.cursor(1)
    let total = try count.count()
    var ids: [InstanceID] = []
    for _ in 0..<(try members.array() ?? 0) {
      if let id = try members.string().flatMap({ InstanceID($0) }) { ids.append(id) }
    }
    return (ids.sorted { Self.isBefore($0.text, $1.text) }, total)
  }

  /// Whether a name comes before another for people: `gateway-2` before `gateway-10`.
  static func isBefore(_ left: String, _ right: String) -> Bool {
    func parts(_ name: String) -> (name: Substring, number: Int) {
      let digits = name.reversed().prefix { $0.isASCII && $0.isNumber }.count
      return (name.dropLast(digits), Int(name.suffix(digits)) ?? -1)
    }
    return parts(left) < parts(right)
  }
}

extension RedisReplies {
  /// The fields of a hash; none if the key does not exist.
  func hash(_ index: Int) throws(RedisError) -> [String: String] {
    var cursor = try self.cursor(index)
    var fields: [String: String] = [:]
    for _ in 0..<(try cursor.array() ?? 0) / 2 {
      let name = try cursor.string() ?? ""
      fields[name] = try cursor.string() ?? ""
    }
    return fields
  }

  /// Time until a key expires, in milliseconds; nil if it never does, or does not exist.
  func timeToLive(_ index: Int) throws(RedisError) -> Int? {
    var cursor = try self.cursor(index)
    let milliseconds = try cursor.integer()
    return milliseconds >= 0 ? milliseconds : nil
  }
}

extension Offset {
  /// Time since the entry was written, in milliseconds; zero if that is in the future.
  func age(at now: UInt64) -> Int {
    now > self.milliseconds ? Int(clamping: now - self.milliseconds) : 0
  }
}
