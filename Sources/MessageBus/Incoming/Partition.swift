import ConnectProtocol
import Redis

/// One part of `incoming`: an ordered stream with one owner at a time.
package struct Partition: Sendable, Hashable {
  /// From 0 to the number of partitions minus 1.
  package let number: Int
}

/// Which partition a user's messages take, and where each partition lies in a cluster.
///
/// The recipient alone decides, so that all that goes to one user has one order.
package struct PartitionMap: Sendable {
  /// All partitions in the order of their numbers.
  package let all: [Partition]
  private let tags: [String]

  /// - Parameter count: 1 to ``BusLimits/maximumPartitions``.
  package init(count: Int = BusLimits.defaultPartitions) {
    precondition((1...BusLimits.maximumPartitions).contains(count))
    self.all = (0..<count).map(Partition.init(number:))
    self.tags = (0..<count).map { Self.tag(of: $0, count: count) }
  }

  /// The partition of everything that goes to `user`.
  ///
  /// FNV-1a (Fowler, Noll, Vo; 64 bits), so that the answer is the same in every process and release.
  package func partition(for user: UserName) -> Partition {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in user.text.utf8 {
      hash ^= UInt64(byte)
      hash &*= 0x0000_0100_0000_01b3
    }
    return self.all[Int(hash % UInt64(self.all.count))]
  }

  package func tag(of partition: Partition) -> String { self.tags[partition.number] }

  /// The first of `pN`, `pN.1`, `pN.2`, … that falls into the N-th of equal ranges of slots.
  ///
  /// Naive tags spread badly over few nodes; a cluster gives each node a range of slots, so an equal
  /// share of the slots is an equal share of the nodes.
  private static func tag(of number: Int, count: Int) -> String {
    let range = (number * HashSlot.count / count)..<((number + 1) * HashSlot.count / count)
    var tag = "p\(number)"
    var attempt = 0
    while !range.contains(HashSlot(hashing: tag).number) {
      attempt += 1
      tag = "p\(number).\(attempt)"
    }
    return tag
  }
}
