import BusTestSupport
import ConnectProtocol
import Logging
import NIOCore
import SeededRandom
import TestSupport
import Testing

@testable import BackendAPI
@testable import Inspection
@testable import MessageBus
@testable import Messaging
@testable import Redis

/// Everything that the bus asks of Redis is asked of a real one, and some of the real answers are
/// damaged on their way: too few or too many elements, other types, numbers at the ends of what there
/// is, other bytes.
///
/// Nothing is demanded but that the process goes on and that each call ends: what an answer says
/// falsely is believed.
@Suite("Whatever Redis answers, no reader of it ends the process", .timeLimit(.minutes(20)))
struct DamagedReadersTests {
  @Test("when real replies are damaged at random", arguments: [1, 2, 3, 4] as [UInt64])
  func realReplies(seed: UInt64) async throws {
    var damaged = 0
    for round in 0..<12 {
      damaged += try await Bus.run { bus in
        let damage = ReplyDamage(every: 2, seed: seed &* 1_000 + UInt64(round))
        let client = DamagingClient(bus.client, damage)
        let reader = DamagingClient(try await bus.makeClient(), damage)
        for _ in 0..<6 {
          damage.isOn = false
          await Self.prepare(bus)
          damage.isOn = true
          await Self.everything(bus, client, reader)
        }
        return damage.damaged
      }
    }
    print("seed \(seed): \(damaged) damaged replies")
    #expect(damaged > 1_000)
  }

  @Test("when what lies in Redis is neither an envelope nor a delivery, byte for byte")
  func payloads() async {
    var random = SplitMix64(seed: 5)
    let envelope = Envelope.Draft.message(flags: [.relocated]).array
    let push = [Delivery.version, 1, 0, 0, 0, UInt8(32 + envelope.count)] as [UInt8]
    let deliveries = push + Array(repeating: 1, count: 32) + envelope + [3, 0, 0, 0, 2, 97, 0]
    for original in [envelope, deliveries] {
      for round in 0..<20_000 {
        if round % 50 == 0 { await Task.yield() }
        var bytes = original
        for _ in 0..<Int.random(in: 1...4, using: &random) {
          let index = Int.random(in: bytes.indices, using: &random)
          bytes[index] = [0, 1, 3, 127, 128, 255].randomElement(using: &random)!
        }
        bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
        Self.read(ReplyBytes(bytes))
      }
    }
  }

  private static func read(_ bytes: ReplyBytes) {
    for delivery in Delivery.list(bytes) {
      if case .push(_, let offset, let envelope) = delivery { self.read(envelope, at: offset) }
    }
    if let envelope = Envelope(bytes) { self.read(envelope, at: .zero) }
  }

  private static func read(_ envelope: Envelope, at offset: Offset) {
    _ = (envelope.sender, envelope.recipient, envelope.messageID, envelope.origin(at: offset))
    _ = envelope.relocated(from: offset)
    _ = envelope.isRepeat(of: envelope)
    _ = envelope.bytes.withUnsafeBytes { envelope.body(in: $0).count }
  }

  // MARK: The scene

  private static let users = ["bob", "carol", "dave"].map { UserName($0)! }
  private static let gateway = InstanceID("g1")!
  private static let phone = DeviceName("phone")!
  private static let logger = Logger.silent

  private static func session(_ gateway: String = "g1") -> Session {
    Session(device: "phone", gateway: InstanceID(gateway)!, connection: "c1")
  }

  /// So that there is something of everything.
  private static func prepare(_ bus: isolated Bus) async {
    let keys = bus.keys
    var batch = RedisBatch()
    for (number, user) in self.users.enumerated() {
      let stream = keys.incoming(keys.partitions.partition(for: user))
      for flags in [[], .retry, .receipt] as [Envelope.Flags] {
        batch.add(.message(to: user.text, id: "m\(number)", flags: flags), to: stream)
      }
      for offset in 1...4 {
        _ = try? await bus.command(
          "XADD", "\(keys.mailbox(user))", "\(offset)-0", "m",
          String(
            decoding: Envelope.Draft.message(to: user.text, id: "m\(offset)").array, as: UTF8.self))
      }
      _ = SessionRegistry.register(self.session(), in: keys.session(user), to: &batch)
      _ = Cursors.store(
        offset(2), of: self.phone, seenSeconds: 1_700_000_000, in: keys.cursor(user), to: &batch)
    }
    let poison = keys.incoming(keys.partitions.all[0])
    batch.append(key: poison, "XADD", "\(poison)", "*", "a", "b", "c", "d")
    _ = DeadLetterDraft(reason: "r", origin: "o", attempts: 1).append(
      ReplyBytes(Envelope.Draft.message().array), keys, to: &batch)
    MessagingMembers.join(
      self.gateway, fields: [("started", "1")], milliseconds: 10_000, keys, to: &batch)
    for partition in keys.partitions.all {
      _ = Leases.acquire(
        partition, as: LeaseToken("g1:n")!, milliseconds: 10_000, keys, to: &batch)
    }
    _ = await bus.client.execute(batch)
  }

  private static func everything(
    _ bus: isolated Bus, _ client: DamagingClient, _ reader: DamagingClient
  ) async {
    await self.streams(bus, client, reader)
    await self.mailboxes(bus, client)
    await self.registries(bus, client, reader)
    await self.inspection(bus, client)
  }

  private static func streams(
    _ bus: isolated Bus, _ client: DamagingClient, _ reader: DamagingClient
  ) async {
    let keys = bus.keys
    let producer = IncomingProducer(keys: keys, client: client) { _, _ in }
    for user in self.users { producer.publish(.message(to: user.text), token: 1) }
    await withCheckedContinuation { waiter in producer.whenIdle { waiter.resume() } }

    var writer = DeliveryWriter(keys: keys)
    let payload = MailboxPush.Payload.made(Envelope.Draft.message().array)
    writer.add(
      MailboxPush(previous: offset(1), offset: offset(2), payload: payload),
      for: self.gateway)
    writer.addReplacement(of: self.session(), user: self.users[0])
    writer.addClosing(of: self.users[0], device: nil, isErased: false, for: self.gateway)
    for stream in [keys.incoming(keys.partitions.all[0]), keys.outgoing(self.gateway)] {
      let consumer = GroupConsumer(
        stream: stream, family: "messaging", instance: self.gateway, reader: reader,
        client: client, timeToLiveSeconds: 60, logger: self.logger)
      _ = try? await consumer.begin()
      var batch = RedisBatch()
      let targets = writer.write(to: &batch)
      _ = try? DeliveryWriter.missing(among: targets, await client.execute(batch))
      for _ in 0..<3 {
        guard let entries = try? await consumer.read(blockMilliseconds: 1) else { continue }
        for entry in entries { entry.payload.map { self.read($0) } }
        consumer.addFinished(entries)
        try? await consumer.acknowledgeFinished()
      }
      consumer.finished.timer?.cancel()
    }
    _ = try? await Backlog(keys: keys).look(with: client)
  }

  private static func mailboxes(_ bus: isolated Bus, _ client: DamagingClient) async {
    let keys = bus.keys
    for entries in [4, 100] {
      let mailboxes = MailboxWriter(
        keys: keys, client: client, limits: .ageless(entries: entries, history: 1))
      var items: [MailboxWriter.Item] = []
      for user in self.users {
        items += MailboxWriter.Item.messages([3, 4, 5, 6], to: user.text)
        items.append(.message(offset(7), to: user.text, id: "m2", flags: .retry))
      }
      for _ in 0..<2 { _ = try? await mailboxes.store(items, seenBefore: offset(4)) }
      mailboxes.stop()
    }
    for user in self.users {
      var batch = RedisBatch()
      let page = batch.entries(of: keys.mailbox(user), after: offset(1), maximum: 16)
      let top = batch.top(of: keys.mailbox(user))
      let position = Cursors.position(of: self.phone, in: keys.cursor(user), to: &batch)
      let removed = Cursors.removed(from: keys.cursor(user), to: &batch)
      let replies = await client.execute(batch)
      for entry in ((try? replies[page]) ?? []).map(Mailbox.Entry.init) {
        if let envelope = entry.envelope { self.read(envelope, at: entry.offset) }
        _ = entry.sentAtMilliseconds
      }
      _ = try? replies[top]
      _ = (try? replies[position])?.hasGap
      _ = try? replies[removed]
    }
  }

  private static func registries(
    _ bus: isolated Bus, _ client: DamagingClient, _ reader: DamagingClient
  ) async {
    let keys = bus.keys
    let user = self.users[0]
    var batch = RedisBatch()
    let partition = keys.partitions.all[0]
    let holders = [
      SessionRegistry.register(self.session(), in: keys.session(user), to: &batch),
      SessionRegistry.renew(self.session(), in: keys.session(user), to: &batch),
    ]
    let sessions = SessionRegistry.sessions(keys.session(user), to: &batch)
    let members = MessagingMembers.all(keys, to: &batch)
    let signs = [
      MessagingMembers.beat(self.gateway, milliseconds: 10_000, keys, to: &batch),
      MessagingMembers.isAlive(self.gateway, keys, to: &batch),
    ]
    let leases = [
      Leases.acquire(partition, as: LeaseToken("g1:n")!, milliseconds: 10_000, keys, to: &batch),
      Leases.holder(of: partition, keys, to: &batch),
    ]
    let event = LeaseEvents.tell("hello", keys, to: &batch)
    let replies = await client.execute(batch)
    for holder in holders { _ = try? replies[holder] }
    _ = try? replies[sessions]
    _ = try? replies[members]
    for sign in signs { _ = try? replies[sign] }
    for lease in leases { _ = try? replies[lease] }
    _ = try? replies[event]
    let events = LeaseEvents(keys: keys, reader: reader)
    for _ in 0..<2 { try? await events.wait(milliseconds: 1) }

    let registry = GatewayRegistry(keys: keys, id: self.gateway, client: client)
    _ = await registry.beat(
      GatewayRegistry.Heartbeat(address: "a", connections: 1, startedMilliseconds: 1, version: "v"))
    try? await registry.sweep()
    await withCheckedContinuation { waiter in
      client.removeSessions([(self.session("g2"), of: keys.session(user))]) { _ in waiter.resume() }
    }
    let connections = UserConnections(keys: keys, client: client)
    _ = try? await connections.close(user, device: self.phone)
    _ = try? await UserEraser(keys: keys, client: client).erase(UserName("nobody")!)
    try? await PartitionGuard.check(keys, with: client)
    try? await PartitionGuard.checkRegistry(keys, with: client)
  }

  private static func inspection(_ bus: isolated Bus, _ client: DamagingClient) async {
    let inspector = Inspector(keys: bus.keys, client: client)
    _ = try? await inspector.overview()
    _ = try? await inspector.streams()
    _ = try? await inspector.gateways()
    _ = (try? await inspector.partitions())?.partitions.map(\.backlog)
    for user in self.users { _ = (try? await inspector.user(user))?.isUnknown }
    _ = try? await inspector.lag(of: bus.keys.partitions.all)
    _ = try? await inspector.storedLayout()
    let letters = try? await inspector.deadLetters(limit: 4).letters
    for letter in letters ?? [] {
      _ = try? await inspector.requeue(letter)
      _ = try? await inspector.drop(letter.offset)
    }
    _ = try? await inspector.dropAll(through: offset(.max))
  }
}
