import ConnectProtocol
import LocalCluster
import LocalRedis
import MessageBus
import Redis

/// Faults of a cluster's nodes.
extension FaultInjector {
  mutating func hurtCluster(_ kind: FaultKind) async throws {
    guard let cluster = self.deployment.redis.cluster else { return }
    switch kind {
    case .failOver: try await self.failOver(cluster)
    case .killNode: try await self.loseNode(cluster) { await $0.kill() }
    case .hangNode: try await self.hangNode(cluster)
    case .moveSlots: try await self.moveSlots(cluster)
    case .resize: try await self.resize(cluster)
    default: break
    }
  }

  private mutating func pickPrimary(
    _ cluster: LocalRedisCluster
  ) async throws -> LocalRedisServer? {
    try await cluster.primaries().randomElement(using: &self.random)
  }

  private mutating func failOver(_ cluster: LocalRedisCluster) async throws {
    guard let primary = try await self.pickPrimary(cluster) else { return }
    _ = try await cluster.failOver(primary)
  }

  /// Ends a node, starts it again, and measures how long nothing is accepted for its slots.
  mutating func loseNode(
    _ cluster: LocalRedisCluster, end: (LocalRedisServer) async -> Void
  ) async throws {
    guard let primary = try await self.pickPrimary(cluster) else { return }
    let hasReplica = try await !cluster.replicas(of: primary).isEmpty
    let conversations = try await self.conversations(of: primary, in: cluster)
    let ends = self.ledger.read(\.ends)
    let start = ContinuousClock.now
    await end(primary)
    async let accepted = self.firstAccepted(of: conversations, since: ends)
    if hasReplica {
      _ = try await cluster.waitForPromotion(of: primary)
    } else {
      try await self.wait(milliseconds: 1_000)
    }
    // Where replicas must confirm, nothing is accepted until there is one again.
    try await primary.restart()
    try await cluster.waitUntilOK()
    self.outage = (try await accepted).map { start.duration(to: $0) }
  }

  private mutating func hangNode(_ cluster: LocalRedisCluster) async throws {
    guard let primary = try await self.pickPrimary(cluster) else { return }
    let hasReplica = try await !cluster.replicas(of: primary).isEmpty
    primary.pause()
    defer { primary.resume() }
    try await Task.sleep(for: FaultLimits.hang)
    if hasReplica { _ = try await cluster.waitForPromotion(of: primary) }
    primary.resume()
    try await cluster.waitUntilOK()
  }

  /// Conversations whose recipients' partitions are on a node, and in which people write.
  private func conversations(
    of primary: LocalRedisServer, in cluster: LocalRedisCluster
  ) async throws -> [Int] {
    var conversations: [Int] = []
    for (index, user) in self.ledger.recipients.enumerated() where !Chatters.rests(index) {
      let partition = Deployment.keys.partitions.partition(for: Chatters.name(user))
      let slot = Deployment.keys.incoming(partition).slot.number
      if try await cluster.primary(of: slot) === primary { conversations.append(index) }
    }
    return conversations
  }

  /// Time at which the first message enqueued after `ends` is accepted in one of the conversations.
  private func firstAccepted(
    of conversations: [Int], since ends: [Int]
  ) async throws -> ContinuousClock.Instant? {
    guard !conversations.isEmpty else { return nil }
    return try await eventually("a message to be accepted", limit: FaultLimits.recovery) {
      self.ledger.read { $0.hasAccepted(of: conversations, since: ends) }
        ? ContinuousClock.now : nil
    }
  }

  /// Slots of a partition and of mailboxes.
  private mutating func slotsInUse() -> [Int] {
    var slots: [Int] = []
    if let partition = Deployment.keys.partitions.all.randomElement(using: &self.random) {
      slots.append(Deployment.keys.incoming(partition).slot.number)
    }
    for user in Set(self.ledger.recipients).sorted().shuffled(using: &self.random).prefix(3) {
      slots.append(Deployment.keys.mailbox(Chatters.name(user)).slot.number)
    }
    return slots
  }

  private mutating func moveSlots(_ cluster: LocalRedisCluster) async throws {
    for slot in self.slotsInUse() {
      let owner = try await cluster.primary(of: slot)
      let others = try await cluster.primaries().filter { $0 !== owner }
      guard let other = others.randomElement(using: &self.random) else { return }
      try await self.move(slot, to: other, in: cluster)
    }
  }

  /// Moves one key at a time, with a pause for traffic while the slot is on two nodes.
  private func move(
    _ slot: Int, to node: LocalRedisServer, in cluster: LocalRedisCluster
  ) async throws {
    try await cluster.migrate(slot: slot, to: node, keysPerStep: 1) {
      try await self.wait(milliseconds: 150)
    }
  }

  private mutating func resize(_ cluster: LocalRedisCluster) async throws {
    let slots = Set(self.slotsInUse() + self.slotsInUse())
    var owners: [Int: LocalRedisServer] = [:]
    for slot in slots { owners[slot] = try await cluster.primary(of: slot) }
    let added = try await cluster.addPrimary()
    for slot in slots { try await self.move(slot, to: added, in: cluster) }
    try await self.wait(milliseconds: 2_000)
    for (slot, owner) in owners { try await self.move(slot, to: owner, in: cluster) }
    try await cluster.remove(added)
  }
}
