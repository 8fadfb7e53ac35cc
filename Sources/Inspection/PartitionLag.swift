import ConnectProtocol
import MessageBus
import Redis

/// The lag of messaging in one partition.
package struct PartitionLag: Sendable, Hashable {
  /// Entries that its owner has not read.
  package let unread: Int
  /// Entries that its owner has read and not finished.
  package let pending: Int
  /// Age of the oldest of both, in milliseconds by Redis's clock; zero if there are none.
  package let oldestAgeMilliseconds: Int
}

extension Inspector {
  /// How far messaging is behind with some partitions, in their order.
  ///
  /// It needs no right that the services have not.
  package func lag(of partitions: [Partition]) async throws(RedisError) -> [PartitionLag] {
    let now = try await self.now()
    return try await self.incoming(partitions, now: now).map { stream in
      guard let reader = stream.reader else {
        // Nobody has begun to read: all of it waits.
        return PartitionLag(unread: stream.length, pending: 0, oldestAgeMilliseconds: 0)
      }
      return PartitionLag(
        unread: reader.lag ?? stream.length, pending: reader.pending,
        oldestAgeMilliseconds: reader.oldestUnfinishedAgeMilliseconds ?? 0)
    }
  }
}
