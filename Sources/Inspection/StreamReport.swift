import ConnectProtocol
import MessageBus
import Redis

/// A stream and the groups that read it.
package struct StreamReport: Sendable, Encodable {
  package struct Group: Sendable, Encodable {
    package let name: String
    /// Whether the group is not Connect's. It holds back trimming nevertheless.
    package let isForeign: Bool
    /// Entries read and not acknowledged.
    package let pending: Int
    /// Entries that are not read yet; nil if Redis does not know.
    package let lag: Int?
    package let lastDelivered: Offset
    /// The oldest entry that is pending or not read yet.
    package let oldestUnfinished: Offset?
    /// Age of that entry.
    package let oldestUnfinishedAgeMilliseconds: Int?
  }

  package let stream: String
  package let exists: Bool
  /// Number of entries, including finished ones that are not trimmed yet.
  package let length: Int
  package let groups: [Group]

  /// Connect's group that has read furthest, which is the active one while sessions overlap.
  package var reader: Group? {
    self.groups.filter { !$0.isForeign }.max { $0.lastDelivered < $1.lastDelivered }
  }

  /// Entries that Connect itself has still to finish.
  package var backlog: Int {
    guard let reader = self.reader, let lag = reader.lag else { return self.length }
    return reader.pending + lag
  }
}

/// The streams of both kinds, and the dead letters.
package struct StreamsReport: Sendable, Encodable {
  /// One per partition, in order.
  package let incoming: [StreamReport]
  /// One per known gateway.
  package let outgoing: [StreamReport]
  /// The stream of dead letters; its groups are foreign.
  package let deadLetters: StreamReport
}

extension Inspector {
  /// Common names of Connect's groups: on `incoming`, and on `outgoing`.
  private static let families = (incoming: "messaging", outgoing: "gateway")

  /// All streams except the mailboxes.
  package func streams() async throws(RedisError) -> StreamsReport {
    let now = try await self.now()
    let gateways = try await self.instances(self.keys.gateways).ids
    return StreamsReport(
      incoming: try await self.incoming(now: now),
      outgoing: try await self.streams(
        gateways.map { self.keys.outgoing($0) }, family: Self.families.outgoing, now: now),
      deadLetters: try await self.deadLetterStream(now: now))
  }

  func incoming(now: UInt64) async throws(RedisError) -> [StreamReport] {
    try await self.incoming(self.keys.partitions.all, now: now)
  }

  func incoming(
    _ partitions: [Partition], now: UInt64
  ) async throws(RedisError) -> [StreamReport] {
    try await self.streams(
      partitions.map { self.keys.incoming($0) }, family: Self.families.incoming, now: now)
  }

  func deadLetterStream(now: UInt64) async throws(RedisError) -> StreamReport {
    try await self.streams([self.keys.deadLetters], family: "", now: now)[0]
  }

  private func streams(
    _ keys: [RedisKey], family: String, now: UInt64
  ) async throws(RedisError) -> [StreamReport] {
    let found = try await self.ask(about: keys) { key, batch in
      (length: batch.length(of: key), groups: batch.groups(of: key))
    } _: { (_, places, replies) throws(RedisError) in
      (try replies[places.length], try replies[places.groups])
    }
    let places = zip(keys, found).flatMap { key, found in (found.1 ?? []).map { (key, $0) } }
    let oldest = try await self.oldestUnfinished(places)

    var rest = oldest[...]
    return zip(keys, found).map { key, found in
      let groups = (found.1 ?? []).map { group in
        let offset = rest.removeFirst()
        return StreamReport.Group(
          name: group.name, isForeign: family.isEmpty || !group.belongs(to: family),
          // After a restart Redis may not know how many entries a group had read; what lies there
          // cannot be fewer than what it is behind.
          pending: group.pending, lag: offset == nil ? 0 : group.lag.map { min($0, found.0) },
          lastDelivered: group.lastDelivered,
          oldestUnfinished: offset,
          oldestUnfinishedAgeMilliseconds: offset.map { $0.age(at: now) })
      }
      return StreamReport(
        stream: "\(key)", exists: found.1 != nil, length: found.0, groups: groups)
    }
  }

  /// The first entry of each group that is pending or not read yet.
  private func oldestUnfinished(
    _ places: [(RedisKey, StreamGroup)]
  ) async throws(RedisError) -> [Offset?] {
    try await self.ask(about: places) { place, batch in
      (
        pending: batch.oldestPending(of: place.0, group: place.1.name),
        unread: batch.entries(of: place.0, after: place.1.lastDelivered, maximum: 1)
      )
    } _: { (_, places, replies) throws(RedisError) in
      do throws(RedisError) {
        if let pending = try replies[places.pending] { return pending }
      } catch let error where error.isMissingGroup {
        // Its session ended just now.
        return nil
      }
      return try replies[places.unread].first?.offset
    }
  }
}
