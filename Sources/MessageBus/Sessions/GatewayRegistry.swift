import Redis

/// Which gateways there are: a set of ids, and for each a hash and a stream that vanish when nobody
/// extends their life.
///
/// Every key may be on another node, so there is one command for each.
package struct GatewayRegistry: Sendable {
  /// A gateway's report on itself.
  package struct Sign: Sendable, Hashable {
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

  /// Gives a sign of life.
  ///
  /// Best effort. What extends a life is a command of its own: it works even while Redis has no memory
  /// for the rest.
  ///
  /// - Returns: whether Redis has heard it.
  package func beat(_ sign: Sign) async -> Bool {
    let seconds = "\(BusLimits.gatewayTimeToLiveSeconds)"
    var batch = RedisBatch()
    batch.append(key: self.stream, "EXPIRE", "\(self.stream)", seconds)
    batch.append(key: self.keys.gateways, "SADD", "\(self.keys.gateways)", self.id.text)
    batch.append(
      key: self.hash, "HSET", "\(self.hash)", "address", sign.address, "connections",
      "\(sign.connections)", "started", "\(sign.startedMilliseconds)", "version", sign.version)
    batch.append(key: self.hash, "EXPIRE", "\(self.hash)", seconds)
    return (try? await self.client.execute(batch).cursor(0)) != nil
  }

  /// Removes this gateway's keys. Best effort: the rest expires by itself.
  package func leave() async {
    var batch = RedisBatch()
    batch.append(key: self.stream, "DEL", "\(self.stream)")
    batch.append(key: self.hash, "DEL", "\(self.hash)")
    batch.append(key: self.keys.gateways, "SREM", "\(self.keys.gateways)", self.id.text)
    _ = await self.client.execute(batch)
  }

  /// Cleans up after some other gateways that died, at most ``BusLimits/gatewaysPerSweep``.
  ///
  /// An id without stream and hash is forgotten. A stream without hash that would stay for good (its
  /// gateway died between making it and giving it a time to live) is given that time: if its gateway
  /// lives after all, it extends it.
  package func sweep() async throws(RedisError) {
    var batch = RedisBatch()
    batch.append(
      key: self.keys.gateways, "SRANDMEMBER", "\(self.keys.gateways)",
      "\(BusLimits.gatewaysPerSweep)")
    var members = try await self.client.execute(batch).cursor(0)
    var others: [InstanceID] = []
    var strangers: [String] = []
    for _ in 0..<(try members.array() ?? 0) {
      guard let text = try members.string(), text != self.id.text else { continue }
      if let id = InstanceID(text) { others.append(id) } else { strangers.append(text) }
    }
    try await self.forget(strangers + self.gone(of: others))
  }

  /// Those of `others` that have neither stream nor hash.
  private func gone(of others: [InstanceID]) async throws(RedisError) -> [String] {
    var batch = RedisBatch()
    for other in others {
      let (hash, stream) = (self.keys.gateway(other), self.keys.outgoing(other))
      batch.append(key: hash, "EXISTS", "\(hash)")
      batch.append(key: stream, "TTL", "\(stream)")
    }
    guard !batch.isEmpty else { return [] }
    let replies = await self.client.execute(batch)
    var gone: [String] = []
    var orphans = RedisBatch()
    for (index, other) in others.enumerated() {
      var exists = try replies.cursor(2 * index)
      guard try exists.integer() == 0 else { continue }
      var timeToLive = try replies.cursor(2 * index + 1)
      switch try timeToLive.integer() {
      case -2:
        gone.append(other.text)
      case -1:
        let stream = self.keys.outgoing(other)
        orphans.append(
          key: stream, "EXPIRE", "\(stream)", "\(BusLimits.gatewayTimeToLiveSeconds)")
      default:
        break
      }
    }
    if !orphans.isEmpty { _ = await self.client.execute(orphans) }
    return gone
  }

  private func forget(_ ids: [String]) async throws(RedisError) {
    var batch = RedisBatch()
    for id in ids { batch.append(key: self.keys.gateways, "SREM", "\(self.keys.gateways)", id) }
    guard !batch.isEmpty else { return }
    _ = await self.client.execute(batch)
  }
}
