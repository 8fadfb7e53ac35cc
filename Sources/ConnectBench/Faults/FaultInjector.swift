import ConnectProtocol
import LocalCluster
import LocalRedis
import MessageBus
import SeededRandom

/// Carries out faults on a deployment and undoes them. Restarts what died of them.
struct FaultInjector {
  let deployment: Deployment
  let balancer: LoadBalancer
  let ledger: ChatLedger
  let pauseSeconds: Int
  var random: SplitMix64
  /// Instances that were asked to end and did not exit with 0.
  var uncleanStops = 0
  var damagedReplies = 0
  /// Time from the last end of a node to the first message accepted for its slots.
  var outage: Duration?

  /// Returns when the fault is undone; the deployment may still have to recover.
  mutating func inject(_ kind: FaultKind) async throws {
    self.outage = nil
    switch kind {
    case .killMessaging: try await self.kill([.messaging])
    case .killGateway: try await self.kill([.gateway])
    case .killBoth: try await self.kill([.messaging, .gateway])
    case .pauseMessaging: try await self.pause(.messaging)
    case .pauseGateway: try await self.pause(.gateway)
    case .roll: try await self.roll()
    case .messagingAway: try await self.sendMessagingAway()
    case .restartRedis: try await self.deployment.redis.restart()
    case .killRedis: try await self.kill(self.deployment.redis)
    case .pauseRedis: try await self.pause(self.deployment.redis)
    case .fillRedis: try await self.fill(self.deployment.redis)
    case .vanish: try await self.vanish()
    case .cutRedis: try await self.cut()
    case .damageReplies: try await self.damageReplies()
    case .poison: try await self.poison()
    case .failOver, .killNode, .hangNode, .moveSlots, .resize: try await self.hurtCluster(kind)
    case .deleteOutgoing: try await self.delete("connect:outgoing:*")
    case .destroyGroups: try await self.destroyGroups()
    case .deleteIncoming:
      try await self.losing { try await self.delete("connect:incoming:*") }
    case .flush: try await self.flush(self.deployment.redis)
    case .killRegistry, .pauseRegistry, .fillRegistry, .flushRegistry, .killRegistryNode:
      guard let registry = self.deployment.registry else { return }
      switch kind {
      case .killRegistry: try await self.kill(registry)
      case .pauseRegistry: try await self.pause(registry)
      case .fillRegistry: try await self.fill(registry)
      case .flushRegistry: try await self.flush(registry)
      default:
        if let cluster = registry.cluster { try await self.loseNode(cluster) { await $0.kill() } }
      }
    }
  }

  func wait(milliseconds: Int) async throws {
    try await Task.sleep(for: .milliseconds(milliseconds))
  }

  private mutating func pick(_ service: Deployment.Service) -> Deployment.Instance? {
    self.deployment.instances(service).randomElement(using: &self.random)
  }

  private mutating func kill(_ services: [Deployment.Service]) async throws {
    for service in services {
      if let instance = self.pick(service) { await self.deployment.kill(instance) }
    }
    try await self.wait(milliseconds: .random(in: 0...2_000, using: &self.random))
    for service in services { try await self.deployment.start(service) }
  }

  private mutating func pause(_ service: Deployment.Service) async throws {
    guard let instance = self.pick(service) else { return }
    instance.pause()
    defer { instance.resume() }
    try await self.wait(milliseconds: self.pauseSeconds * 1_000)
  }

  private mutating func roll() async throws {
    for service in [Deployment.Service.messaging, .gateway] {
      for instance in self.deployment.instances(service) {
        try await self.deployment.start(service)
        let status = await self.deployment.stop(instance)
        guard status != .exited(0) else { continue }
        self.uncleanStops += 1
        self.ledger.note("\(instance.id) was asked to end and \(status)")
      }
    }
  }

  private func sendMessagingAway() async throws {
    let instances = self.deployment.messaging
    for instance in instances { await self.deployment.kill(instance) }
    try await self.wait(milliseconds: 4_000)
    for _ in instances { try await self.deployment.start(.messaging) }
  }

  private func kill(_ redis: LocalRedisInstallation) async throws {
    await redis.kill()
    try await self.wait(milliseconds: 1_000)
    try await redis.restart()
  }

  private func pause(_ redis: LocalRedisInstallation) async throws {
    redis.pause()
    defer { redis.resume() }
    try await Task.sleep(for: FaultLimits.hang)
  }

  private func fill(_ redis: LocalRedisInstallation) async throws {
    try await self.deployment.onEachPrimary(of: redis, "CONFIG", "SET", "maxmemory", "1mb")
    try await self.wait(milliseconds: 3_000)
    try await self.deployment.onEachPrimary(of: redis, "CONFIG", "SET", "maxmemory", "0")
  }

  private func flush(_ redis: LocalRedisInstallation) async throws {
    try await self.losing { try await self.deployment.onEachPrimary(of: redis, "FLUSHALL") }
  }

  private mutating func vanish() async throws {
    for mishap in LoadBalancer.Mishap.allCases {
      let count = self.balancer.connections / 8 + 1
      self.balancer.strike(mishap, count: count, using: &self.random)
      try await self.wait(milliseconds: 500)
    }
  }

  private func cut() async throws {
    let end = ContinuousClock.now + FaultLimits.cutting
    while ContinuousClock.now < end {
      let shown = self.ledger.totals.shown
      let patience = ContinuousClock.now + FaultLimits.cutPatience
      for redis in [self.deployment.redis, self.deployment.registry].compactMap({ $0 }) {
        try await self.deployment.onEachPrimary(of: redis, "CLIENT", "KILL", "TYPE", "normal")
      }
      try await Task.sleep(for: FaultLimits.cutInterval)
      while self.ledger.totals.shown == shown, ContinuousClock.now < patience {
        try await Task.sleep(for: FaultLimits.poll)
      }
    }
  }

  private mutating func damageReplies() async throws {
    guard let damager = self.deployment.damager else { return }
    damager.start(seed: self.random.next())
    try await self.wait(milliseconds: 5_000)
    damager.stop()
    self.damagedReplies += damager.damaged
  }

  private mutating func poison() async throws {
    for key in self.deployment.incomingKeys.shuffled(using: &self.random).prefix(4) {
      for fields in Self.poisons { try await self.deployment.redis(["XADD", key, "*"] + fields) }
    }
  }

  /// Entries that no service can make sense of: no envelope, an entry of another form, and an
  /// envelope to a name that is none.
  static let poisons = [
    ["m", "no envelope"], ["some", "other", "entry", "altogether"],
    ["m", "\u{1}\u{1}\u{0}\u{1}\u{1}\u{1}a 1\"x\""],
  ]

  private func delete(_ pattern: String) async throws {
    for key in try await self.deployment.keys(matching: pattern) {
      try await self.deployment.redis("DEL", key)
    }
  }

  private func destroyGroups() async throws {
    for pattern in ["connect:incoming:*", "connect:outgoing:*"] {
      for key in try await self.deployment.keys(matching: pattern) {
        for group in try await self.deployment.groups(of: key) {
          try await self.deployment.redis("XGROUP", "DESTROY", key, group)
        }
      }
    }
  }

  /// Messages enqueued until `body` returns may be lost.
  private func losing(_ body: () async throws -> Void) async throws {
    self.ledger.excuseLosses()
    try await body()
    self.ledger.excuseLosses()
  }
}
