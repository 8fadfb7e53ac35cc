import ConnectProtocol
import MessageBus
import Redis

/// A partition and who owns it.
package struct PartitionReport: Sendable, Encodable {
  /// From 0 to the number of partitions minus 1.
  package let partition: Int
  package let incoming: StreamReport
  /// The messaging instance that holds the lease; nil if none does.
  package let owner: String?
  /// Value of the lease: `<instance>:<nonce>`.
  package let lease: String?
  /// Time until the lease expires unless it is renewed.
  package let leaseMilliseconds: Int?
  /// Entries that were accepted and not processed yet.
  package let backlog: Int
}

package struct MessagingReport: Sendable, Encodable {
  package let instance: String
  /// Whether it sent a heartbeat within the lease time.
  package let isAlive: Bool
  /// Time until it counts as dead without another heartbeat.
  package let aliveMilliseconds: Int?
  /// Number of partitions that it owns.
  package let partitions: Int
  /// Its report on itself: `started` (milliseconds since 1970), `host`, `pid`, `version`.
  package let fields: [String: String]

  /// Start time, in milliseconds since 1970.
  package var startedAtMilliseconds: UInt64? { self.fields["started"].flatMap { UInt64($0) } }
}

/// The partitions, and the instances that share them.
package struct PartitionsReport: Sendable, Encodable {
  package let partitions: [PartitionReport]
  /// The messaging instances; dead ones stay until another instance removes them.
  package let messaging: [MessagingReport]
  /// Time of reading, in milliseconds since 1970 by Redis's clock.
  package let atMilliseconds: UInt64
}

/// A gateway instance that has started.
package struct GatewayReport: Sendable, Encodable {
  package let gateway: String
  /// Whether its stream exists: without it nothing is delivered through this gateway.
  package let isAlive: Bool
  /// Time until the stream expires without another heartbeat.
  package let aliveMilliseconds: Int?
  package let stream: String
  /// Deliveries that wait in the stream.
  package let length: Int
  /// Its report about itself: `address`, `connections`, `started` (milliseconds since 1970),
  /// `version`.
  package let fields: [String: String]

  /// Start time, in milliseconds since 1970.
  package var startedAtMilliseconds: UInt64? { self.fields["started"].flatMap { UInt64($0) } }
  /// Number of connections at its last report.
  package var connections: Int? {
    self.fields["connections"].flatMap { Int($0) }.map { min(max(0, $0), RedisLimits.maximumCount) }
  }
}

package struct GatewaysReport: Sendable, Encodable {
  /// Sorted by id, at most ``InspectionLimits/instances``.
  package let gateways: [GatewayReport]
  package let total: Int
  /// Time of reading, in milliseconds since 1970 by Redis's clock.
  package let atMilliseconds: UInt64
}

extension Inspector {
  package func partitions() async throws(RedisError) -> PartitionsReport {
    let now = try await self.now()
    let streams = try await self.incoming(now: now)
    let leases = try await self.ask(about: self.keys.partitions.all) { partition, batch in
      let key = self.keys.lease(partition)
      return (value: batch.value(of: key), left: batch.timeToLive(of: key))
    } _: { (_, places, replies) throws(RedisError) in
      (value: try replies[places.value], left: try replies[places.left])
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
    return try await self.ask(about: members) { id, batch in
      let key = self.keys.messaging(id)
      return (fields: batch.fields(of: key), left: batch.timeToLive(of: key))
    } _: { (id, places, replies) throws(RedisError) in
      let fields = try replies[places.fields]
      return MessagingReport(
        instance: id.text, isAlive: !fields.isEmpty,
        aliveMilliseconds: try replies[places.left], partitions: owned[id.text] ?? 0,
        fields: fields)
    }
  }

  package func gateways() async throws(RedisError) -> GatewaysReport {
    let now = try await self.now()
    let (ids, total) = try await self.instances(self.keys.gateways)
    let gateways = try await self.ask(about: ids) { id, batch in
      let stream = self.keys.outgoing(id)
      return (
        fields: batch.fields(of: self.keys.gateway(id)), exists: batch.exists(stream),
        left: batch.timeToLive(of: stream), length: batch.length(of: stream)
      )
    } _: { (id, places, replies) throws(RedisError) in
      GatewayReport(
        gateway: id.text, isAlive: try replies[places.exists],
        aliveMilliseconds: try replies[places.left],
        stream: "\(self.keys.outgoing(id))", length: try replies[places.length],
        fields: try replies[places.fields])
    }
    return GatewaysReport(gateways: gateways, total: total, atMilliseconds: now)
  }
}
