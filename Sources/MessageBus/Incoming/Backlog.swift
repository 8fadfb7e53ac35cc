import ConnectProtocol
import Redis
import Synchronization

/// Which `incoming` partitions hold as much as messaging may be behind.
///
/// A gateway looks at their lengths twice a second, so what is known is that old: beyond the limit, a
/// partition grows by what arrives meanwhile. Any thread may ask.
package final class Backlog: Sendable {
  private let keys: Keys
  private let limit: Int
  private let anyIsFull = Atomic(false)
  private let full: Mutex<[Bool]>

  package struct Finding: Sendable, Hashable {
    /// Number of full partitions.
    package let full: Int
    /// Entries in the longest partition.
    package let longest: Int
  }

  /// - Parameter limit: Entries in a partition.
  package init(keys: Keys, limit: Int = BusLimits.backlogEntries) {
    self.keys = keys
    self.limit = limit
    self.full = Mutex(Array(repeating: false, count: keys.partitions.all.count))
  }

  package func isFull(for user: UserName) -> Bool {
    guard self.anyIsFull.load(ordering: .relaxed) else { return false }
    let partition = self.keys.partitions.partition(for: user)
    return self.full.withLock { $0[partition.number] }
  }

  /// Looks at all partitions.
  ///
  /// - Throws: when Redis does not answer; what was known before then stays.
  @discardableResult
  package func look(with client: any RedisClient) async throws(RedisError) -> Finding {
    var batch = RedisBatch()
    let places = self.keys.partitions.all.map { batch.length(of: self.keys.incoming($0)) }
    let replies = await client.execute(batch)
    var lengths: [Int] = []
    for place in places { lengths.append(try replies[place]) }
    let full = lengths.map { $0 >= self.limit }
    let count = full.count { $0 }
    self.full.withLock { $0 = full }
    self.anyIsFull.store(count > 0, ordering: .relaxed)
    return Finding(full: count, longest: lengths.max() ?? 0)
  }
}
