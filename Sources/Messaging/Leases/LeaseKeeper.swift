import Logging
import MessageBus
import NIOCore
import Redis
import Synchronization

/// Keeps an instance's leases, and the workers of the partitions that they are for.
///
/// Its executor is the event loop of its connections to Redis.
actor LeaseKeeper {
  /// To be preferred by the task that calls ``run()``.
  nonisolated let executor: EventLoopExecutor
  private let configuration: MessagingConfiguration
  private let client: any RedisClient
  private let reader: any RedisClient
  private let makeWorker: @Sendable (Partition, LeaseToken) -> PartitionWorker
  private let logger: Logger
  private let events: LeaseEvents
  private let fields: [(String, String)]
  private let metrics: MessagingMetrics
  private var machine: LeaseStateMachine
  private var workers: [Partition: PartitionWorker] = [:]
  private var known: [InstanceID] = []
  private var isStopping = false
  /// Time at which the holders of the leases were last read.
  private var lookedAt = ContinuousClock.now
  /// Whether Redis has this instance as a member.
  nonisolated let hasJoined = Atomic(false)

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    self.executor.asUnownedSerialExecutor()
  }

  /// - Parameters:
  ///   - client: for everything that does not block.
  ///   - reader: a client on the same loop, for this keeper alone.
  ///   - fields: what operators see of this instance.
  init(
    configuration: MessagingConfiguration, client: any RedisClient, reader: any RedisClient,
    fields: [(String, String)], metrics: MessagingMetrics, logger: Logger,
    makeWorker: @escaping @Sendable (Partition, LeaseToken) -> PartitionWorker
  ) {
    self.configuration = configuration
    self.executor = EventLoopExecutor(client.eventLoop)
    self.client = client
    self.reader = reader
    self.makeWorker = makeWorker
    self.logger = logger
    self.fields = fields
    self.metrics = metrics
    self.events = LeaseEvents(keys: configuration.keys, reader: reader)
    self.machine = LeaseStateMachine(
      instance: configuration.id, partitions: configuration.keys.partitions.all)
  }

  private var keys: Keys { self.configuration.keys }

  var owned: [Partition] { self.machine.held.map(\.0) }

  /// Time between two looks when nothing wakes it.
  private var heartbeatMilliseconds: Int64 {
    max(100, self.configuration.leaseMilliseconds / MessagingLimits.heartbeatsPerLease)
  }

  /// Owns partitions and works on them until ``stop()``.
  func run() async {
    await withDiscardingTaskGroup { tasks in
      var backoff = Backoff(
        baseMilliseconds: BusLimits.consumerBackoffBaseMilliseconds,
        capMilliseconds: self.heartbeatMilliseconds)
      var looksInARow = 0
      while !self.isStopping {
        do throws(RedisError) {
          let changes = try await self.look()
          for (partition, token) in changes.acquired {
            guard !self.isStopping else { break }
            let worker = self.makeWorker(partition, token)
            self.workers[partition] = worker
            tasks.addTask(executorPreference: worker.executor) {
              await self.work(worker, partition, token)
            }
          }
          // Beside the loop: a batch under way may take long, and the other leases must be renewed.
          for worker in changes.lost { tasks.addTask { await worker.stop() } }
          if !changes.surplus.isEmpty { tasks.addTask { await self.release(changes.surplus) } }
          if let failure = changes.failure { throw failure }
          backoff.reset()
          // An instance that was beaten to a lease looks at once for another, but not for ever.
          looksInARow = self.machine.wasBeaten ? looksInARow + 1 : 0
          if looksInARow % 4 == 0 {
            try await self.events.wait(milliseconds: self.heartbeatMilliseconds)
          }
        } catch {
          if self.isStopping { break }
          self.log(error)
          // By now they have lapsed.
          if self.lookedAt.duration(to: .now) > .milliseconds(self.configuration.leaseMilliseconds)
          {
            self.metrics.leases.set(0)
          }
          try? await Task.sleep(for: .milliseconds(backoff.next()))
        }
      }
      await self.releaseAll()
    }
  }

  private func work(
    _ worker: PartitionWorker, _ partition: Partition, _ token: LeaseToken
  ) async {
    let end = await worker.run()
    guard end == .replaced else { return }
    self.logger.notice(
      "leases.lost", metadata: ["partition": "\(partition.number)"])
    self.machine.lost(partition, token)
    if self.workers[partition] === worker { self.workers[partition] = nil }
  }

  // MARK: One look

  /// The effect of one look.
  private struct Changes {
    /// Leases acquired.
    var acquired: [(Partition, LeaseToken)] = []
    /// Leases of ours beyond our share.
    var surplus: [(Partition, LeaseToken)] = []
    /// Workers whose leases other instances hold now.
    var lost: [PartitionWorker] = []
    /// Why a lease could not be acquired.
    var failure: RedisError?
  }

  /// Sends a heartbeat, reads members and leases, and acquires those due to this instance.
  private func look() async throws(RedisError) -> Changes {
    var batch = RedisBatch()
    let wasAlive = MessagingMembers.beat(
      self.configuration.id, milliseconds: self.configuration.leaseMilliseconds, self.keys,
      to: &batch)
    let members = MessagingMembers.all(self.keys, to: &batch)
    let held = Dictionary(uniqueKeysWithValues: self.machine.held)
    let leases = self.keys.partitions.all.map { partition in
      guard let token = held[partition] else {
        return Leases.holder(of: partition, self.keys, to: &batch)
      }
      // The holder renews it by acquiring it again.
      return Leases.acquire(
        partition, as: token, milliseconds: self.configuration.leaseMilliseconds, self.keys,
        to: &batch)
    }
    let replies = await self.client.execute(batch)
    let isKnown = try replies[wasAlive]
    let all = try replies[members].compactMap { InstanceID($0) }
    var holders: [LeaseToken?] = []
    for lease in leases { holders.append(try replies[lease]) }
    if !isKnown || !self.hasJoined.load(ordering: .relaxed) || !all.contains(self.configuration.id)
    {
      try await self.join()
    }
    let alive = try await self.alive(among: all)
    if alive != Set(self.known) { self.report(alive) }
    self.lookedAt = .now
    self.metrics.leases.set(holders.count { $0?.instance == self.configuration.id })
    self.metrics.unowned.set(holders.count { $0 == nil })
    return await self.carryOut(self.machine.observed(members: alive, holders: holders))
  }

  private func join() async throws(RedisError) {
    var batch = RedisBatch()
    MessagingMembers.join(
      self.configuration.id, fields: self.fields,
      milliseconds: self.configuration.leaseMilliseconds, self.keys, to: &batch)
    PartitionGuard.restore(self.keys, to: &batch)
    let told = LeaseEvents.tell("joined \(self.configuration.id)", self.keys, to: &batch)
    let replies = await self.client.execute(batch)
    try replies.check()
    self.events.passed(try replies[told])
    self.hasJoined.store(true, ordering: .relaxed)
  }

  /// Those of `all` that are alive. Removes the dead from the members.
  private func alive(among all: [InstanceID]) async throws(RedisError) -> Set<InstanceID> {
    let others = all.filter { $0 != self.configuration.id }
    var alive: Set<InstanceID> = [self.configuration.id]
    guard !others.isEmpty else { return alive }
    var batch = RedisBatch()
    let places = others.map { MessagingMembers.isAlive($0, self.keys, to: &batch) }
    let replies = await self.client.execute(batch)
    var removal = RedisBatch()
    for (other, isAlive) in zip(others, places) {
      if try replies[isAlive] {
        alive.insert(other)
      } else {
        MessagingMembers.forget(other, self.keys, to: &removal)
      }
    }
    // Best effort: who is only slow joins again.
    if !removal.isEmpty { _ = await self.client.execute(removal) }
    return alive
  }

  private func log(_ error: RedisError) {
    let metadata: Logger.Metadata = ["error": "\(error)"]
    switch error {
    // An outage is reported once for the process, by the client.
    case .unavailable, .unanswered, .unconfirmed:
      self.logger.debug("leases.look_failed", metadata: metadata)
    case .withheld, .server, .unexpectedReply:
      self.logger.error("leases.look_failed", metadata: metadata)
    }
  }

  private func report(_ alive: Set<InstanceID>) {
    self.known = alive.sorted { $0.text < $1.text }
    self.logger.notice(
      "leases.members", metadata: ["members": "\(self.known.map(\.text).joined(separator: ","))"])
  }

  // MARK: Carrying out

  private func carryOut(
    _ actions: [LeaseStateMachine.Action]
  ) async -> Changes {
    var changes = Changes()
    var wanted: [(Partition, LeaseToken)] = []
    for action in actions {
      switch action {
      case .acquire(let partition, let token): wanted.append((partition, token))
      case .release(let partition, let token): changes.surplus.append((partition, token))
      case .stop(let partition):
        self.logger.notice("leases.lost", metadata: ["partition": "\(partition.number)"])
        if let worker = self.workers.removeValue(forKey: partition) { changes.lost.append(worker) }
      }
    }
    await self.acquire(wanted, &changes)
    return changes
  }

  private func acquire(_ wanted: [(Partition, LeaseToken)], _ changes: inout Changes) async {
    guard !wanted.isEmpty else { return }
    var batch = RedisBatch()
    let places = wanted.map { partition, token in
      Leases.acquire(
        partition, as: token, milliseconds: self.configuration.leaseMilliseconds, self.keys,
        to: &batch)
    }
    let replies = await self.client.execute(batch)
    for ((partition, token), holder) in zip(wanted, places) {
      var isOurs = false
      do throws(RedisError) {
        isOurs = try replies[holder] == token
      } catch {
        // It may be ours all the same; then it lapses, and is acquired again.
        changes.failure = error
      }
      if let token = self.machine.answered(partition, isOurs: isOurs) {
        changes.acquired.append((partition, token))
      }
    }
    if !changes.acquired.isEmpty { self.log("leases.acquired", changes.acquired) }
  }

  private func release(_ leases: [(Partition, LeaseToken)]) async {
    guard !leases.isEmpty else { return }
    await withDiscardingTaskGroup { tasks in
      for (partition, _) in leases {
        guard let worker = self.workers.removeValue(forKey: partition) else { continue }
        tasks.addTask { await worker.stop() }
      }
    }
    var batch = RedisBatch()
    for (partition, token) in leases { Leases.release(partition, as: token, self.keys, to: &batch) }
    LeaseEvents.tell(
      "released \(self.configuration.id) "
        + leases.map { "p\($0.0.number)" }.joined(separator: ","), self.keys, to: &batch)
    // Best effort: what is not released lapses.
    _ = await self.client.execute(batch)
    for (partition, _) in leases { self.machine.released(partition) }
    self.log("leases.released", leases)
  }

  private func log(_ message: Logger.Message, _ leases: [(Partition, LeaseToken)]) {
    self.logger.notice(
      message,
      metadata: ["partitions": "\(leases.map { "\($0.0.number)" }.joined(separator: ","))"])
  }

  // MARK: Stopping

  /// Finishes what is under way and releases all leases.
  func stop() async {
    self.isStopping = true
    // Ends the wait for events.
    try? await self.reader.close().get()
  }

  /// Leaves first, so that the others' shares grow; then releases the leases they wait for.
  private func releaseAll() async {
    self.metrics.leases.set(0)
    var batch = RedisBatch()
    MessagingMembers.leave(self.configuration.id, self.keys, to: &batch)
    _ = await self.client.execute(batch)
    let leases = self.machine.releaseAll().compactMap { action in
      if case .release(let partition, let token) = action { (partition, token) } else { nil }
    }
    await self.release(leases)
    for worker in self.workers.values { await worker.stop() }
    self.workers = [:]
    try? await self.reader.close().get()
  }
}
