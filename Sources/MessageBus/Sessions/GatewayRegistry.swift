import Redis

/// Which gateways there are: a set of ids, and for each a hash and a stream that vanish when nobody
/// extends their life.
///
/// Every key may be on another node, so there is one command for each.
package struct GatewayRegistry: Sendable {
  /// A gateway's report on itself.
  package struct Heartbeat: Sendable, Hashable {
    /// The address at which apps reach it, as far as it knows.
    package var address: String
    package var connections: Int
    /// Start time, in milliseconds since 1970.
    package var startedMilliseconds: UInt64
    package var version: String

    package init(address: String, connections: Int, startedMilliseconds: UInt64, version: String) {
      self.address = address
      self.connections = connections
      self.startedMilliseconds = startedMilliseconds
      self.version = version
    }
  }

  private let keys: Keys
  private let id: InstanceID
  private let client: any RedisClient

  package init(keys: Keys, id: InstanceID, client: any RedisClient) {
    self.keys = keys
    self.id = id
    self.client = client
  }

  private var stream: RedisKey { self.keys.outgoing(self.id) }
  private var hash: RedisKey { self.keys.gateway(self.id) }

  /// Sends a heartbeat.
  ///
  /// Best effort. What extends a life is a command of its own: it works even while Redis has no memory
  /// for the rest.
  ///
  /// - Returns: Redis's time, in milliseconds since 1970; nil if Redis has not heard it.
  package func beat(_ heartbeat: Heartbeat) async -> UInt64? {
    let seconds = BusLimits.gatewayTimeToLiveSeconds
    var batch = RedisBatch()
    let heard = batch.expire(self.stream, seconds: seconds)
    batch.insert(self.id.text, into: self.keys.gateways)
    batch.set(
      [
        ("address", heartbeat.address), ("connections", "\(heartbeat.connections)"),
        ("started", "\(heartbeat.startedMilliseconds)"), ("version", heartbeat.version),
      ], in: self.hash)
    batch.expire(self.hash, seconds: seconds)
    let time = batch.time()
    let replies = await self.client.execute(batch)
    guard (try? replies[heard]) != nil else { return nil }
    return try? replies[time]
  }

  /// Appends a read of when a gateway started, in milliseconds since 1970; nil without a heartbeat.
  package static func started(
    _ gateway: InstanceID, keys: Keys, to batch: inout RedisBatch
  ) -> Reply<UInt64?> {
    batch.value(of: "started", in: keys.gateway(gateway)) { cursor throws(RedisError) in
      try cursor.string().flatMap { UInt64($0) }
    }
  }

  /// Removes this gateway's keys. Best effort: the rest expires by itself.
  package func leave() async {
    var batch = RedisBatch()
    batch.delete(self.stream)
    batch.delete(self.hash)
    batch.remove(self.id.text, from: self.keys.gateways)
    _ = await self.client.execute(batch)
  }

  /// Cleans up after some other gateways that died, at most ``BusLimits/gatewaysPerSweep``.
  ///
  /// An id without stream and hash is forgotten. A stream without hash that would stay for good (its
  /// gateway died between making it and giving it a time to live) is given that time: if its gateway
  /// lives after all, it extends it.
  package func sweep() async throws(RedisError) {
    let members = try await self.client.value {
      $0.someMembers(of: self.keys.gateways, maximum: BusLimits.gatewaysPerSweep)
    }
    var others: [InstanceID] = []
    var strangers: [String] = []
    for text in members where text != self.id.text {
      if let id = InstanceID(text) { others.append(id) } else { strangers.append(text) }
    }
    try await self.forget(strangers + self.gone(of: others))
  }

  /// Those of `others` that have neither stream nor hash.
  private func gone(of others: [InstanceID]) async throws(RedisError) -> [String] {
    guard !others.isEmpty else { return [] }
    var batch = RedisBatch()
    let places = others.map { other in
      (
        hash: batch.exists(self.keys.gateway(other)),
        seconds: batch.secondsToLive(of: self.keys.outgoing(other))
      )
    }
    let replies = await self.client.execute(batch)
    var gone: [String] = []
    var orphans = RedisBatch()
    for (other, place) in zip(others, places) where try !replies[place.hash] {
      switch try replies[place.seconds] {
      case -2:
        gone.append(other.text)
      case -1:
        orphans.expire(
          self.keys.outgoing(other), seconds: BusLimits.gatewayTimeToLiveSeconds)
      default:
        break
      }
    }
    if !orphans.isEmpty { _ = await self.client.execute(orphans) }
    return gone
  }

  private func forget(_ ids: [String]) async throws(RedisError) {
    var batch = RedisBatch()
    for id in ids { batch.remove(id, from: self.keys.gateways) }
    guard !batch.isEmpty else { return }
    _ = await self.client.execute(batch)
  }
}
