import ConnectProtocol
import MessageBus
import Redis

/// A stream and the groups that read it.
package struct StreamReport: Sendable, Encodable {
  /// A group of somebody else, or both groups of a session of Connect's, by the name of the one that reads.
  package struct Group: Sendable, Encodable {
    package let name: String
    /// Whether the group is not Connect's. It holds back trimming nevertheless.
    package let isForeign: Bool
    /// Entries read and not finished. Where a group of somebody else keeps what is finished, Redis does not know
    /// it, and ``InspectionLimits/pendingCounted`` are counted at most.
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
    let streams = zip(keys, found).map { key, found in
      (
        key: key, exists: found.1 != nil, length: found.0,
        readers: Reader.list(of: found.1 ?? [], family: family, length: found.0)
      )
    }
    let places = streams.flatMap { stream in stream.readers.map { (stream.key, $0) } }
    var rest = try await self.unfinished(places)[...]
    return streams.map { stream in
      let groups = stream.readers.map { reader in
        let (group, unfinished) = (reader.group, rest.removeFirst())
        return StreamReport.Group(
          name: group.name, isForeign: family.isEmpty || !group.belongs(to: family),
          pending: unfinished.pending,
          // After a restart Redis may not know how many entries a group had read; what lies there
          // cannot be fewer than what it is behind.
          lag: unfinished.oldest == nil ? 0 : group.lag.map { min($0, stream.length) },
          lastDelivered: group.lastDelivered,
          oldestUnfinished: unfinished.oldest,
          oldestUnfinishedAgeMilliseconds: unfinished.oldest.map { $0.age(at: now) })
      }
      return StreamReport(
        stream: "\(stream.key)", exists: stream.exists, length: stream.length, groups: groups)
    }
  }

  /// A group that reads, and the one that says how far it has finished, if there is one.
  private struct Reader {
    let group: StreamGroup
    let finished: StreamGroup?
    /// That of the stream.
    let length: Int

    static func list(of groups: [StreamGroup], family: String, length: Int) -> [Reader] {
      let own = groups.filter { !family.isEmpty && $0.belongs(to: family) }
      return groups.filter { !$0.isMark(among: own) }
        .map { Reader(group: $0, finished: $0.mark(among: own), length: length) }
    }

    /// Everything up to here is finished, but for what is pending in the group itself.
    var finishedThrough: Offset {
      let read = self.group.lastDelivered
      return self.finished.map { min($0.lastDelivered, read) } ?? read
    }

    /// Entries read and not finished. Nil if Redis does not know, as is so while others' groups keep what is finished.
    var pending: Int? {
      guard let finished = self.finished else { return self.group.pending }
      guard let left = finished.lag, let unread = self.group.lag, unread <= left,
        left <= self.length
      else { return nil }
      return left - unread
    }
  }

  private struct Unfinished {
    var oldest: Offset?
    var pending = 0
  }

  /// The first entry of each group that is not finished or not read yet, and how many are read and not finished.
  private func unfinished(
    _ places: [(RedisKey, Reader)]
  ) async throws(RedisError) -> [Unfinished] {
    try await self.ask(about: places) { place, batch in
      let (key, reader) = place
      return (
        pending: reader.finished == nil
          ? batch.oldestPending(of: key, group: reader.group.name) : nil,
        left: batch.entries(
          of: key, after: reader.finishedThrough,
          maximum: reader.pending == nil ? InspectionLimits.pendingCounted : 1)
      )
    } _: { (place, places, replies) throws(RedisError) in
      let reader = place.1
      let left = try replies[places.left]
      var unfinished = Unfinished(oldest: left.first?.offset)
      unfinished.pending =
        reader.pending ?? left.count { $0.offset <= reader.group.lastDelivered }
      do throws(RedisError) {
        if let pending = places.pending, let oldest = try replies[pending] {
          unfinished.oldest = oldest
        }
      } catch let error where error.isMissingGroup {
        // Its session ended just now.
        return Unfinished()
      }
      return unfinished
    }
  }
}
