import ConnectProtocol
import MessageBus
import Redis

/// A partition and who owns it.
package struct PartitionReport: Sendable, Encodable {
  /// 0 up to the number of partitions.
  package let partition: Int
  /// Its stream, with groups and lengths.
  package let incoming: StreamReport
  /// The messaging instance that holds the lease; nil when nobody does.
  package let owner: String?
  /// What the lease says: `<instance>:<nonce>`.
  package let lease: String?
  /// How long the lease still holds unless it is renewed.
  package let leaseMilliseconds: Int?
  /// Entries that are accepted and not yet processed.
  package let backlog: Int
}

/// A messaging instance that has joined.
package struct MessagingReport: Sendable, Encodable {
  package let instance: String
  /// Whether it has given a sign of life within the lease time.
  package let isAlive: Bool
  /// How long it counts as alive without a further one.
  package let aliveMilliseconds: Int?
  /// How many partitions it owns.
  package let partitions: Int
  /// What it says of itself: `started` (milliseconds since 1970), `host`, `pid`, `version`.
  package let fields: [String: String]

  /// When it started, in milliseconds since 1970.
  package var startedAtMilliseconds: UInt64? { self.fields["started"].flatMap { UInt64($0) } }
}

/// Who shares the partitions, and how.
package struct PartitionsReport: Sendable, Encodable {
  /// All partitions, in order.
  package let partitions: [PartitionReport]
  /// The messaging instances; those that are gone stay until another removes them.
  package let messaging: [MessagingReport]
  /// When this was read, in milliseconds since 1970 by Redis's clock.
  package let atMilliseconds: UInt64
}

/// A gateway instance that has started.
package struct GatewayReport: Sendable, Encodable {
  package let gateway: String
  /// Whether its stream is there: without it nothing is delivered through this gateway.
  package let isAlive: Bool
  /// How long the stream stays without a further sign of life.
  package let aliveMilliseconds: Int?
  package let stream: String
  /// Deliveries that wait there.
  package let length: Int
  /// What it says of itself: `address`, `connections`, `started` (milliseconds since 1970),
  /// `version`.
  package let fields: [String: String]

  /// When it started, in milliseconds since 1970.
  package var startedAtMilliseconds: UInt64? { self.fields["started"].flatMap { UInt64($0) } }
  /// How many connections it held when it last said so.
  package var connections: Int? {
    self.fields["connections"].flatMap { Int($0) }.map { min(max(0, $0), RedisLimits.maximumCount) }
  }
}

package struct GatewaysReport: Sendable, Encodable {
  /// Sorted by id, at most ``InspectionLimits/inspectedInstances``.
  package let gateways: [GatewayReport]
  package let total: Int
  /// When this was read, in milliseconds since 1970 by Redis's clock.
  package let atMilliseconds: UInt64
}

extension Inspector {
  /// The partitions with their owners, and the messaging instances.
  package func partitions() async throws(RedisError) -> PartitionsReport {
    let now = try await self.now()
    let streams = try await self.incoming(now: now)
    let leases = try await self.ask(about: self.keys.partitions.all, commands: 2) {
      partition, batch in
      let key = self.keys.lease(partition)
      batch.append(key: key, "GET", "\(key)")
      batch.append(key: key, "PTTL", "\(key)")
    } _: { (_, replies, index) throws(RedisError) in
      var cursor = try replies.cursor(index)
      return (value: try cursor.string(), left: try replies.timeToLive(index + 1))
    }
    let partitions = zip(streams, leases).enumerated().map { number, found in
      let (stream, lease) = found
      return PartitionReport(
        partition: number, incoming: stream,
        owner: lease.value.map { String($0.prefix { $0 != ":" }) }, lease: lease.value,
        leaseMilliseconds: lease.left, backlog: stream.backlog)
    }
    return PartitionsReport(
      partitions: partitions, messaging: try await self.messaging(owning: partitions),
      atMilliseconds: now)
  }

  private func messaging(
    owning partitions: [PartitionReport]
  ) async throws(RedisError) -> [MessagingReport] {
    let owned = Dictionary(grouping: partitions.compactMap(\.owner)) { $0 }.mapValues(\.count)
    let members = try await self.instances(self.keys.messagingMembers).ids
    return try await self.ask(about: members, commands: 2) { id, batch in
      let key = self.keys.messaging(id)
      batch.append(key: key, "HGETALL", "\(key)")
      batch.append(key: key, "PTTL", "\(key)")
    } _: { (id, replies, index) throws(RedisError) in
      let fields = try replies.hash(index)
      return MessagingReport(
        instance: id.text, isAlive: !fields.isEmpty,
        aliveMilliseconds: try replies.timeToLive(index + 1), partitions: owned[id.text] ?? 0,
        fields: fields)
    }
  }

  /// The gateways that have started and were not removed.
  package func gateways() async throws(RedisError) -> GatewaysReport {
    let now = try await self.now()
    let (ids, total) = try await self.instances(self.keys.gateways)
    let gateways = try await self.ask(about: ids, commands: 4) { id, batch in
      let hash = self.keys.gateway(id)
      let stream = self.keys.outgoing(id)
      batch.append(key: hash, "HGETALL", "\(hash)")
      batch.append(key: stream, "EXISTS", "\(stream)")
      batch.append(key: stream, "PTTL", "\(stream)")
      batch.length(of: stream)
    } _: { (id, replies, index) throws(RedisError) in
      var exists = try replies.cursor(index + 1)
      var length = try replies.cursor(index + 3)
      return GatewayReport(
        gateway: id.text, isAlive: try exists.integer() == 1,
        aliveMilliseconds: try replies.timeToLive(index + 2),
        stream: "\(self.keys.outgoing(id))", length: try length.count(),
        fields: try replies.hash(index))
    }
    return GatewaysReport(gateways: gateways, total: total, atMilliseconds: now)
  }
}
