import ConnectProtocol
import Logging
import MessageBus
import NIOCore
import Redis

/// Owns one partition of `incoming`: reads a batch, stores it, pushes it, and only then says it is
/// done with.
///
/// Whatever fails, the whole batch comes again, and the mailboxes recognise what they have.
///
/// Its executor is the event loop of its connections to Redis, so that nothing hops between a reply
/// and what is made of it.
actor PartitionWorker {
  private let keys: Keys
  private let client: any RedisClient
  private let consumer: GroupConsumer
  private let mailboxes: MailboxWriter
  private let deadLetters: DeadLetters
  private let logger: Logger

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    self.client.eventLoop.executor.asUnownedSerialExecutor()
  }

  /// - Parameters:
  ///   - reader: a client for this worker alone.
  ///   - client: a client on the same event loop, for everything that does not block.
  init(
    partition: Partition, keys: Keys, reader: any RedisClient, client: any RedisClient,
    logger: Logger
  ) {
    var logger = logger
    logger[metadataKey: "partition"] = "\(partition.number)"
    self.keys = keys
    self.client = client
    self.logger = logger
    self.consumer = GroupConsumer(
      stream: keys.incoming(partition), group: "messaging", name: "messaging", reader: reader,
      client: client)
    self.mailboxes = MailboxWriter(
      keys: keys, client: client,
      remembering: BusLimits.rememberedMailboxes / keys.partitions.all.count)
    self.deadLetters = DeadLetters(partition: partition, keys: keys, client: client, logger: logger)
  }

  /// Works until the task is cancelled and the reader closed.
  func run() async {
    await self.consumer.run(logger: self.logger) { entries throws(RedisError) in
      try await self.process(entries)
    }
  }

  private func process(_ entries: [StreamEntry]) async throws(RedisError) {
    var items: [MailboxWriter.Item] = []
    items.reserveCapacity(entries.count)
    var unreadable: [StreamEntry] = []
    for entry in entries {
      if let envelope = entry.payload.flatMap(Envelope.init),
        let item = MailboxWriter.Item(offset: entry.offset, envelope: envelope)
      {
        items.append(item)
      } else {
        unreadable.append(entry)
      }
    }
    let stored = items.isEmpty ? [] : try await self.mailboxes.store(items)
    try await self.push(stored)
    // Last: what fails before makes the batch come again, and dead letters are not recognised.
    for entry in unreadable { try await self.deadLetters.add(entry) }
    for outcome in stored {
      for (item, reason) in outcome.refused { try await self.deadLetters.add(item, reason: reason) }
    }
  }

  /// Pushes what was stored to the gateways that hold the recipients' devices.
  private func push(_ stored: [MailboxWriter.Stored]) async throws(RedisError) {
    var writer = DeliveryWriter(keys: self.keys)
    for outcome in stored where !outcome.sessions.isEmpty {
      let gateways = Set(outcome.sessions.map(\.gateway))
      for push in outcome.pushes {
        for gateway in gateways { writer.add(push, for: gateway) }
      }
    }
    guard !writer.isEmpty else { return }
    var batch = RedisBatch()
    let targets = writer.write(to: &batch)
    let replies = await self.client.execute(batch)
    do throws(RedisError) {
      let missing = try DeliveryWriter.missing(among: targets, replies, from: 0)
      if !missing.isEmpty { self.forget(missing, in: stored) }
    } catch .server(let error) {
      // A push is only a hint: the messages are in the mailboxes, and every connection looks there.
      self.logger.warning("messaging.push_refused", metadata: ["error": "\(error.message)"])
    }
  }

  /// Removes the sessions of gateways whose streams are gone.
  private func forget(_ gateways: Set<GatewayID>, in stored: [MailboxWriter.Stored]) {
    var stale: [(Session, of: RedisKey)] = []
    for outcome in stored {
      for session in outcome.sessions where gateways.contains(session.gateway) {
        stale.append((session, of: self.keys.session(outcome.recipient)))
      }
    }
    self.logger.info("messaging.stale_sessions", metadata: ["count": "\(stale.count)"])
    self.client.removeSessions(stale)
  }
}
