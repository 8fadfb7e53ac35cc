import ConnectProtocol
import Logging
import MessageBus
import NIOCore
import Redis

/// Owns one partition of `incoming`: reads a batch, stores it, pushes it, and only then finishes
/// it.
///
/// Whatever fails, the whole batch comes again, and the mailboxes recognise what they have.
///
/// Its executor is the event loop of its connections to Redis, so that nothing hops between a reply
/// and what is made of it.
actor PartitionWorker {
  /// To be preferred by the task that calls ``run()``.
  nonisolated let executor: EventLoopExecutor
  private let keys: Keys
  private let client: any RedisClient
  private let writer: any RedisClient
  private let durability: Durability
  private let consumer: GroupConsumer
  private let mailboxes: MailboxWriter
  private let positions: PositionWriter
  private let notices: SenderNotices
  private let deadLetters: DeadLetters
  private let crashes: CrashCounter
  private let attemptsLimit: Int
  private let partition: Partition
  private let created: CreatedStreams
  private let ended: EventLoopPromise<Void>
  private let metrics: MessagingMetrics
  private let logger: Logger
  /// Attempts at entries of the present batch that their mailboxes refused.
  private var attempts: [Offset: Int] = [:]
  /// Entries of the present batch that are in the dead letters.
  private var setAside: Set<Offset> = []
  /// Entries of the present batch that need nothing more: the sender, if there is one, was told.
  private var settled: Set<Offset> = []
  /// Entries up to here may have been handled before.
  private var seenBefore = Offset.zero

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    self.executor.asUnownedSerialExecutor()
  }

  /// - Parameters:
  ///   - consumer: for this worker alone, which stops it at the end. Its fence is the lease under which
  ///     the worker stores, too.
  ///   - client: a client on the same event loop, for everything that does not block.
  ///   - writer: another one, for what replicas must confirm; the same where they need not.
  init(
    partition: Partition, configuration: MessagingConfiguration, consumer: GroupConsumer,
    client: any RedisClient, writer: any RedisClient, created: CreatedStreams,
    metrics: MessagingMetrics, logger: Logger
  ) {
    let keys = configuration.keys
    self.executor = EventLoopExecutor(client.eventLoop)
    self.keys = keys
    self.partition = partition
    self.created = created
    self.client = client
    self.writer = writer
    self.metrics = metrics
    self.durability = configuration.durability
    self.logger = logger
    self.attemptsLimit = configuration.attempts
    self.ended = client.eventLoop.makePromise()
    self.mailboxes = MailboxWriter(
      keys: keys, client: writer, limits: configuration.mailboxes,
      durability: configuration.durability,
      remembering: MessagingLimits.rememberedMailboxes / keys.partitions.all.count,
      fence: consumer.fence)
    self.positions = PositionWriter(
      keys: keys, writer: writer,
      limits: PositionLimits(retentionSeconds: configuration.mailboxes.retentionSeconds),
      durability: configuration.durability)
    self.notices = SenderNotices(
      keys: keys, client: client, writer: writer, durability: configuration.durability,
      metrics: metrics, logger: logger)
    self.deadLetters = DeadLetters(
      partition: partition, keys: keys, client: writer, durability: configuration.durability,
      metrics: metrics, logger: logger)
    self.crashes = CrashCounter(
      partition: partition, keys: keys, client: client, attempts: configuration.attempts)
    self.consumer = consumer
  }

  /// Works until ``stop()``, or until another instance has the partition.
  func run() async -> GroupConsumer.End {
    assert(self.executor.isPreferred)
    let end = await self.work()
    await self.consumer.stop()
    self.mailboxes.stop()
    self.ended.succeed()
    return end
  }

  /// Finishes the present batch and ends ``run()``.
  func stop() async {
    await self.consumer.stop()
    try? await self.ended.futureResult.get()
  }

  private func work() async -> GroupConsumer.End {
    while true {
      do throws(RedisError) {
        switch await self.consumer.next(
          maximum: self.crashes.isSuspicious ? 1 : BusLimits.entriesPerRead)
        {
        case .began(let session): try await self.began(session)
        case .entries(let entries): await self.consumer.finish(try await self.handle(entries))
        case .ended(let end): return end
        }
      } catch {
        self.consumer.failed(error)
      }
    }
  }

  private func began(_ session: GroupSession) async throws(RedisError) {
    self.seenBefore = max(self.seenBefore, session.seenBefore)
    try await self.crashes.began(session)
    if session.wasCreated {
      self.created.add(self.partition)
    } else if let unfinished = session.unfinished {
      self.logger.notice(
        "messaging.taken_over", metadata: ["unfinished": "\(unfinished.lowerBound)"])
    }
  }

  /// - Returns: when to acknowledge them.
  private func handle(
    _ entries: [StreamEntry]
  ) async throws(RedisError) -> GroupConsumer.Acknowledgement {
    do throws(RedisError) {
      if try await self.crashes.isGuilty(entries) {
        for entry in entries { try await self.condemn(entry) }
      } else {
        try await self.process(entries)
      }
    } catch {
      // It comes again, and some of it may be stored by now.
      if let last = entries.last { self.seenBefore = max(self.seenBefore, last.offset) }
      throw error
    }
    // What is settled would be set aside or reported twice.
    let isSettled = !self.settled.isEmpty
    self.attempts = [:]
    self.setAside = []
    self.settled = []
    self.notices.finished()
    await self.crashes.finished(entries)
    return isSettled || self.crashes.isSuspicious ? .now : .later
  }

  /// Sets aside an entry during which every process that handled it ended.
  private func condemn(_ entry: StreamEntry) async throws(RedisError) {
    if !self.setAside.contains(entry.offset) {
      try await self.deadLetters.add(
        entry, reason: "messaging has ended each time while it processed this entry",
        attempts: self.attemptsLimit)
      self.setAside.insert(entry.offset)
    }
    if let envelope = entry.payload.flatMap(Envelope.init),
      let item = MailboxWriter.Item(offset: entry.offset, envelope: envelope)
    {
      try await self.fail(item, .unprocessable)
    }
  }

  private func process(_ entries: [StreamEntry]) async throws(RedisError) {
    var items: [MailboxWriter.Item] = []
    items.reserveCapacity(entries.count)
    var positions: [MailboxWriter.Item] = []
    var unreadable: [StreamEntry] = []
    for entry in entries where !self.settled.contains(entry.offset) {
      if let envelope = entry.payload.flatMap(Envelope.init),
        let item = MailboxWriter.Item(offset: entry.offset, envelope: envelope)
      {
        switch envelope.kind {
        case .message, .failed, .sent: items.append(item)
        case .position: positions.append(item)
        case .formerReceipt: break
        }
      } else {
        unreadable.append(entry)
      }
    }
    var stored: [MailboxWriter.Stored] = []
    var refused: [(MailboxWriter.Item, RedisServerError)] = []
    let start = NIODeadline.now()
    for part in self.mailboxes.parts(of: items) {
      let outcomes = try await self.store(part)
      try await self.notifyGateways(of: outcomes)
      // Not behind the copies: these wait as long as a partition of theirs does not take them.
      refused += try await self.advance(positions)
      positions = []
      // Of an owner that was paused meanwhile, the next has done the same.
      let isLate = NIODeadline.now() - start > .milliseconds(MessagingLimits.lateCopyMilliseconds)
      try await self.notices.copy(outcomes.flatMap(\.originals), mayBeRepeats: isLate)
      stored += outcomes
    }
    refused += try await self.advance(positions)
    for entry in unreadable {
      try await self.deadLetters.add(
        entry, reason: "the entry has no envelope of a known version", attempts: 1)
      self.settled.insert(entry.offset)
    }
    for outcome in stored {
      for item in outcome.overflowed { try await self.overflow(item) }
    }
    try await self.settleRefused(stored.flatMap(\.refused) + refused)
  }

  private func store(
    _ items: [MailboxWriter.Item]
  ) async throws(RedisError) -> [MailboxWriter.Stored] {
    defer { self.metrics.add(self.mailboxes.takeTally()) }
    return try await self.mailboxes.store(items, seenBefore: self.seenBefore)
  }

  /// Tries again what a mailbox refused; after some attempts it goes to the dead letters.
  private func settleRefused(
    _ refused: [(MailboxWriter.Item, RedisServerError)]
  ) async throws(RedisError) {
    var again: RedisServerError?
    for (item, error) in refused {
      let attempts = self.attempts[item.offset, default: 0] + 1
      self.attempts[item.offset] = attempts
      if attempts >= self.attemptsLimit {
        try await self.setAside(item, reason: "\(error)", attempts: attempts)
        try await self.fail(item, .unprocessable)
      } else {
        again = error
      }
    }
    if let again { throw .server(again) }
  }

  /// Adds an item to the dead letters once, however often its sender cannot be told.
  private func setAside(
    _ item: MailboxWriter.Item, reason: String, attempts: Int
  ) async throws(RedisError) {
    if self.setAside.contains(item.offset) { return }
    try await self.deadLetters.add(item, reason: reason, attempts: attempts)
    self.setAside.insert(item.offset)
  }

  // MARK: Telling senders

  /// Tells the sender that the mailbox is full. A `failed` that does not fit is kept: nobody can be told of it.
  private func overflow(_ item: MailboxWriter.Item) async throws(RedisError) {
    if item.envelope.kind == .failed {
      try await self.setAside(item, reason: "the mailbox is full", attempts: 1)
    }
    try await self.fail(item, .mailboxFull)
  }

  private func fail(_ item: MailboxWriter.Item, _ code: FailureCode) async throws(RedisError) {
    try await self.notices.failed(item, code)
    self.settled.insert(item.offset)
  }

  // MARK: Pushing

  /// Pushes stored messages to the gateways that hold the recipients' devices.
  private func notifyGateways(of stored: [MailboxWriter.Stored]) async throws(RedisError) {
    var writer = DeliveryWriter(keys: self.keys)
    for outcome in stored where !outcome.sessions.isEmpty {
      let gateways = Self.gateways(of: outcome.sessions)
      for push in outcome.pushes {
        for gateway in gateways { writer.add(push, for: gateway) }
      }
    }
    try await self.push(writer, to: stored.map { ($0.recipient, $0.sessions) })
  }

  /// Moves positions forward and pushes those that moved.
  ///
  /// - Returns: what was refused.
  private func advance(
    _ items: [MailboxWriter.Item]
  ) async throws(RedisError) -> [(MailboxWriter.Item, RedisServerError)] {
    guard !items.isEmpty else { return [] }
    let outcome = try await self.positions.advance(items, seenBefore: self.seenBefore)
    self.metrics.positions.increment(by: outcome.pushes.count(where: \.2.moved))
    var writer = DeliveryWriter(keys: self.keys)
    for (user, peer, advance) in outcome.pushes {
      guard let row = advance.row else { continue }
      for gateway in Self.gateways(of: advance.sessions) {
        writer.addPosition(
          of: user, peer: peer, row: row, previous: advance.previous, floor: advance.floor,
          for: gateway)
      }
    }
    try await self.push(writer, to: outcome.pushes.map { ($0.user, $0.2.sessions) })
    return outcome.refused
  }

  /// Each once.
  private static func gateways(of sessions: [Session]) -> [InstanceID] {
    if sessions.count == 1 { return [sessions[0].gateway] }
    return Array(Set(sessions.map(\.gateway)))
  }

  private func push(
    _ writer: DeliveryWriter, to users: @autoclosure () -> [(UserName, [Session])]
  ) async throws(RedisError) {
    guard !writer.isEmpty else { return }
    var batch = RedisBatch()
    let targets = writer.write(to: &batch)
    let replies = await self.client.execute(batch)
    do throws(RedisError) {
      let missing = try DeliveryWriter.missing(among: targets, replies)
      if !missing.isEmpty { self.forget(missing, in: users()) }
    } catch .server(let error) {
      // A push is only a hint: what it tells is stored, and every connection looks there.
      self.logger.warning("messaging.push_refused", metadata: ["error": "\(error)"])
    }
  }

  /// Removes the sessions of gateways whose streams are gone.
  private func forget(_ gateways: Set<InstanceID>, in users: [(UserName, [Session])]) {
    var stale: [(Session, of: RedisKey)] = []
    for (user, sessions) in users {
      for session in sessions where gateways.contains(session.gateway) {
        stale.append((session, of: self.keys.session(user)))
      }
    }
    self.logger.info("messaging.stale_sessions", metadata: ["count": "\(stale.count)"])
    self.client.removeSessions(stale)
  }
}
