import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// # Inspection
///
/// Reports for operators about the state in Redis, and dead letters that are sent again. A report
/// for each thing, and ``Inspector``, which makes them.

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
    try await self.client.value { $0.value(of: self.keys.partitionCount) }
      .flatMap { DataLayout($0) }
  }

  // MARK: Asking in portions

  /// Asks about each of many things, so many at once that a pipeline stays small.
  ///
  /// - Parameters:
  ///   - append: adds the questions, and returns the places of the answers.
  ///   - read: makes of these what is told of a thing.
  func ask<Item, Places, Answer>(
    about items: [Item], _ append: (Item, inout RedisBatch) -> Places,
    _ read: (Item, Places, RedisReplies) throws(RedisError) -> Answer
  ) async throws(RedisError) -> [Answer] {
    var answers: [Answer] = []
    answers.reserveCapacity(items.count)
    var start = 0
    while start < items.count {
      let portion = items[start..<min(start + InspectionLimits.keysPerBatch, items.count)]
      start = portion.endIndex
      var batch = RedisBatch()
      let places = portion.map { append($0, &batch) }
      let replies = await self.client.execute(batch)
      for (item, places) in zip(portion, places) {
        answers.append(try read(item, places, replies))
      }
    }
    return answers
  }

  /// The time by Redis's clock, which is that of offsets, in milliseconds since 1970. Of two Redis, it
  /// is the bus's that gives offsets.
  func now() async throws(RedisError) -> UInt64 {
    try await self.client.value { batch in
      batch.append("TIME", isRepeatable: true).reading(Self.milliseconds)
    }
  }

  private static func milliseconds(
    _ cursor: inout ReplyCursor
  ) throws(RedisError) -> UInt64 {
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
    let count = batch.memberCount(of: key)
    // As many as SMEMBERS would answer, but for a limit.
    let members = batch.someMembers(of: key, maximum: InspectionLimits.instances)
    let replies = await self.client.execute(batch)
    let total = try replies[count]
    let ids = try replies[members].compactMap { InstanceID($0) }
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

extension Offset {
  /// Time since the entry was written, in milliseconds; zero if that is in the future.
  func age(at now: UInt64) -> Int {
    now > self.milliseconds ? Int(clamping: now - self.milliseconds) : 0
  }
}
