import BusTestSupport
import ConnectProtocol
import LocalRedis
import Logging
import NIOCore
import Redis
import TestSupport
import Testing

@testable import MessageBus

@Suite("A group's consumer", .timeLimit(.minutes(5)))
struct GroupConsumerTests {
  private func consumer(
    _ bus: isolated Bus, _ name: String = "one", fence: GroupConsumer.Fence? = nil
  ) async throws -> GroupConsumer {
    GroupConsumer(
      stream: self.stream(bus), family: "messaging", instance: InstanceID(name)!,
      reader: try await bus.makeClient(), client: bus.client, fence: fence)
  }

  private func stream(_ bus: isolated Bus) -> RedisKey {
    bus.keys.incoming(bus.keys.partitions.all[0])
  }

  private func groups(_ bus: isolated Bus) async throws -> [StreamGroup] {
    var batch = RedisBatch()
    batch.groups(of: self.stream(bus))
    return try StreamGroup.list(await bus.client.execute(batch), at: 0) ?? []
  }

  private func fill(_ bus: isolated Bus, _ numbers: Range<Int>) async throws {
    for number in numbers { try await bus.add("\(number)", to: self.stream(bus)) }
  }

  private func texts(_ numbers: Range<Int>) -> [String] { numbers.map { "\($0)" } }

  // MARK: Sessions

  @Test("reads what was there before its group, from the first entry on")
  func createdFromZero() async throws {
    try await Bus.run { bus in
      let consumer = try await self.consumer(bus)
      let first = try #require(try await consumer.begin())
      #expect(first.wasCreated)
      try await self.fill(bus, 0..<5)
      let second = try #require(try await consumer.begin())
      #expect(!second.wasCreated)
      #expect(try await consumer.read().map(\.text) == self.texts(0..<5))
      #expect(try await consumer.read(blockMilliseconds: 1).isEmpty)
    }
  }

  /// Numbers of a script are exact to 2^53 only.
  @Test(
    "goes on with what its predecessor has not finished, whatever ids somebody gave by hand",
    arguments: [
      [offset(1), offset(1, 1), offset(10_000)],
      [offset(9_007_199_254_740_993), offset(9_007_199_254_740_994)],
      [offset(1_000_000_000_000_000_000, 9_007_199_254_740_993)],
      [offset(1_000_000_000_000_000_000, 9_007_199_254_740_992), offset(.max)],
      [offset(.max), offset(.max, 1)], [offset(.max, 10_000_000_000_000_000_000)],
      [offset(.max, .max)],
    ])
  func largeIDs(ids: [Offset]) async throws {
    try await Bus.run { bus in
      for id in ids { try await bus.add("\(id)", to: self.stream(bus), at: id) }
      let dead = try await self.consumer(bus, "dead")
      _ = try await dead.begin()
      #expect(try await dead.read().map(\.offset) == ids)
      let heir = try await self.consumer(bus, "heir")
      let session = try #require(try await heir.begin())
      #expect(session.unfinished == ids[0]...ids[ids.count - 1])
      #expect(try await heir.read().map(\.offset) == ids)
      // What is finished does not come again.
      heir.finish(Array(try await bus.entries(self.stream(bus)).prefix(1)))
      try await heir.acknowledgeFinished()
      let next = try await self.consumer(bus, "next")
      _ = try await next.begin()
      #expect(
        try await next.read(blockMilliseconds: 1).map(\.offset) == Array(ids.dropFirst()))
    }
  }

  @Test("waits for entries, and has them as soon as they come")
  func blocks() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      let consumer = try await self.consumer(bus)
      _ = try await consumer.begin()
      let writer = Task { try await bus.add("late", to: stream) }
      #expect(try await consumer.read(blockMilliseconds: 20_000).map(\.text) == ["late"])
      _ = try await writer.value
    }
  }

  @Test("goes on where its predecessor had finished, with all that this had only read")
  func inherits() async throws {
    try await Bus.run { bus in
      try await self.fill(bus, 0..<300)
      let dead = try await self.consumer(bus, "dead")
      _ = try await dead.begin()
      let first = try await dead.read()
      while try await !dead.read(blockMilliseconds: 1).isEmpty {}
      dead.finish(Array(first.prefix(100)))
      try await dead.acknowledgeFinished()

      let heir = try await self.consumer(bus, "heir")
      let session = try #require(try await heir.begin())
      #expect(session.unfinished?.lowerBound == first[100].offset)
      var read: [String?] = []
      while true {
        let entries = try await heir.read(blockMilliseconds: 1)
        if entries.isEmpty { break }
        read += entries.map(\.text)
      }
      #expect(read == self.texts(100..<300))
      let groups = try await self.groups(bus)
      #expect(groups.map(\.name) == [heir.group], "the predecessor's group is gone")
      #expect(groups[0].lag == 0, "and Redis can tell how much is left")
    }
  }

  @Test("ends the read of a predecessor that still waits, so that it takes nothing away")
  func fences() async throws {
    try await Bus.run { bus in
      let zombie = try await self.consumer(bus, "zombie")
      _ = try await zombie.begin()
      let waiting = Task {
        do throws(RedisError) {
          _ = try await bus.readOnce(zombie)
          return false
        } catch {
          return error.isMissingGroup
        }
      }
      let isBlocked = try await eventually {
        try await bus.connections().contains("cmd=xreadgroup")
      }
      #expect(isBlocked)
      let heir = try await self.consumer(bus, "heir")
      _ = try await heir.begin()
      #expect(await waiting.value)
      try await self.fill(bus, 0..<3)
      #expect(try await heir.read().map(\.text) == self.texts(0..<3))
    }
  }

  @Test("does not begin while its fence names somebody else, and not before it names anybody")
  func honoursFence() async throws {
    try await Bus.run { bus in
      let lease = bus.keys.lease(bus.keys.partitions.all[0])
      let owner = try await self.consumer(bus, "owner")
      _ = try await owner.begin()
      let other = try await self.consumer(bus, "other", fence: .init(key: lease, value: "me"))
      await #expect(throws: RedisError.self) { try await other.begin() }
      _ = try await bus.command("SET", "\(lease)", "owner")
      #expect(try await other.begin() == nil)
      #expect(try await self.groups(bus).map(\.name) == [owner.group])
      _ = try await bus.command("SET", "\(lease)", "me")
      #expect(try await other.begin() != nil)
      #expect(try await self.groups(bus).map(\.name) == [other.group])
    }
  }

  @Test("begins one after the other, however many begin at once, and one group stays")
  func beginAtOnce() async throws {
    try await Bus.run { bus in
      try await self.fill(bus, 0..<10)
      let first = try await self.consumer(bus, "first")
      _ = try await first.begin()
      let read = try await first.read()
      first.finish(Array(read.prefix(4)))
      try await first.acknowledgeFinished()
      var heirs: [GroupConsumer] = []
      for number in 0..<5 { heirs.append(try await self.consumer(bus, "heir\(number)")) }
      let beginning = heirs.map { heir in
        Task {
          _ = bus
          _ = try? await heir.begin()
        }
      }
      for task in beginning { await task.value }
      let groups = try await self.groups(bus).map(\.name)
      #expect(groups.count == 1)
      let last = try #require(heirs.first { groups.contains($0.group) })
      #expect(try await last.read().map(\.text) == self.texts(4..<10))
    }
  }

  @Test("tells what another reader left unfinished, under whatever name, and not its own")
  func unfinished() async throws {
    try await Bus.run { bus in
      try await self.fill(bus, 0..<10)
      let before = try await self.consumer(bus, "same")
      #expect(try await before.begin()?.seenBefore == .zero)
      let read = try await before.read()
      let own = try await before.begin()
      #expect(own?.unfinished == nil)
      #expect(own?.seenBefore == read.last?.offset)
      _ = try await before.read()
      // Started again under the same name.
      let after = try await self.consumer(bus, "same")
      let session = try await after.begin()
      #expect(session?.unfinished == read[0].offset...read[9].offset)
      #expect(session?.seenBefore == read[9].offset)
    }
  }

  @Test("begins, reads and acknowledges while memory is full")
  func outOfMemory() async throws {
    let server = try await LocalRedisServer.start()
    try await Bus.run(url: server.url) { bus in
      try await self.fill(bus, 0..<5)
      let dead = try await self.consumer(bus, "dead")
      _ = try await dead.begin()
      _ = try await dead.read()
      _ = try await bus.command("CONFIG", "SET", "maxmemory", "1")
      let heir = try await self.consumer(bus, "heir")
      #expect(try await heir.begin() != nil)
      heir.finish(try await heir.read())
      try await heir.acknowledgeFinished()
      #expect(try await bus.length(self.stream(bus)) == 0)
    }
    await server.stop()
  }

  // MARK: Finishing

  @Test("acknowledges and removes what is finished, and nothing that is not")
  func finishes() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      try await self.fill(bus, 0..<10)
      let consumer = try await self.consumer(bus)
      _ = try await consumer.begin()
      let entries = try await consumer.read()
      consumer.finish(Array(entries.prefix(4)))
      #expect(try await self.groups(bus)[0].pending == 10)
      try await consumer.acknowledgeFinished()
      #expect(try await self.groups(bus)[0].pending == 6)
      #expect(try await bus.entries(stream).map(\.text) == self.texts(4..<10))
    }
  }

  @Test("acknowledges by itself, soon")
  func finishesLater() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      try await self.fill(bus, 0..<3)
      let consumer = try await self.consumer(bus)
      _ = try await consumer.begin()
      consumer.finish(try await consumer.read())
      #expect(try await eventually { try await bus.length(stream) == 0 })
      #expect(try await self.groups(bus)[0].pending == 0)
    }
  }

  @Test("removes nothing that another group on the stream has not finished")
  func respectsOthers() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      try await self.fill(bus, 0..<10)
      _ = try await bus.command("XGROUP", "CREATE", "\(stream)", "archive", "0")
      let consumer = try await self.consumer(bus)
      _ = try await consumer.begin()
      consumer.finish(try await consumer.read())
      try await consumer.acknowledgeFinished()
      #expect(try await bus.length(stream) == 10, "the archive has read nothing")

      // It reads six, and acknowledges the first two.
      let reply = try await bus.command(
        "XREADGROUP", "GROUP", "archive", "a", "COUNT", "6", "STREAMS", "\(stream)", ">")
      _ = reply
      let offsets = try await bus.entries(stream).map(\.offset)
      _ = try await bus.command(
        "XACK", "\(stream)", "archive", "\(offsets[0])", "\(offsets[1])")
      try await self.fill(bus, 10..<11)
      consumer.finish(try await consumer.read())
      try await consumer.acknowledgeFinished()
      #expect(try await bus.entries(stream).map(\.text) == self.texts(2..<11))
    }
  }

  @Test("that was replaced removes nothing that its heir has not finished")
  func zombieRemovesNothing() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      try await self.fill(bus, 0..<10)
      let zombie = try await self.consumer(bus, "zombie")
      _ = try await zombie.begin()
      let read = try await zombie.read()
      let heir = try await self.consumer(bus, "heir")
      _ = try await heir.begin()
      let heirs = try await heir.read()
      heir.finish(Array(heirs.prefix(3)))
      try await heir.acknowledgeFinished()
      zombie.finish(read)
      try await zombie.acknowledgeFinished()
      #expect(try await bus.entries(stream).map(\.text) == self.texts(3..<10))
    }
  }

  // MARK: Running

  @Test("begins anew, from the first entry, when the stream was lost, and goes on")
  func heals() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      let consumer = try await self.consumer(bus)
      let seen = Seen()
      let running = Task { await bus.consume(consumer, seen) }
      try await bus.add("before", to: stream)
      #expect(try await eventually { await seen.texts == ["before"] })
      for round in 0..<3 {
        _ = try await bus.command("DEL", "\(stream)")
        // Written before the consumer has its group again.
        try await bus.add("\(round)", to: stream)
        #expect(try await eventually { await seen.texts.last == "\(round)" })
      }
      #expect(await seen.texts == ["before", "0", "1", "2"])
      await bus.stop(consumer)
      #expect(await running.value == .stopped)
    }
  }

  @Test("begins anew when its group was destroyed, and misses nothing")
  func healsGroup() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      let consumer = try await self.consumer(bus)
      let seen = Seen()
      let running = Task { await bus.consume(consumer, seen) }
      for round in 0..<3 {
        try await bus.add("\(round)", to: stream)
        #expect(try await eventually { await seen.texts.last == "\(round)" })
        for group in try await self.groups(bus) {
          _ = try await bus.command("XGROUP", "DESTROY", "\(stream)", group.name)
        }
      }
      try await bus.add("last", to: stream)
      #expect(try await eventually { await seen.texts.last == "last" })
      // From 0, because nothing tells any more how far it had got: what was not removed yet comes
      // again, in order.
      var distinct: [String] = []
      for text in await seen.texts where !distinct.contains(text) { distinct.append(text) }
      #expect(distinct == ["0", "1", "2", "last"])
      await bus.stop(consumer)
      _ = await running.value
    }
  }

  @Test("handles the same entries again, in order, when handling them has failed")
  func handlesAgain() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      let consumer = try await self.consumer(bus)
      let seen = Seen(failures: 3)
      try await self.fill(bus, 0..<5)
      let running = Task { await bus.consume(consumer, seen) }
      #expect(try await eventually { await seen.texts.count == 20 })
      try await bus.add("5", to: stream)
      #expect(try await eventually { await seen.texts.count == 21 })
      let five = self.texts(0..<5)
      #expect(await seen.texts == five + five + five + five + ["5"])
      await bus.stop(consumer)
      _ = await running.value
      #expect(try await self.groups(bus)[0].pending == 0)
    }
  }

  @Test("reads fewer entries at a time when they are more bytes than a reply may have, in order")
  func largeEntries() async throws {
    try await Bus.run { bus in
      let consumer = try await self.consumer(bus)
      consumer.maximumReplyBytes = 300_000
      let seen = Seen()
      let texts = (0..<128).map { "\($0) " + String(repeating: "x", count: 10_000) }
      for text in texts { try await bus.add(text, to: self.stream(bus)) }
      _ = try await consumer.begin()
      do throws(RedisError) {
        _ = try await consumer.read()
        Issue.record("was taken")
      } catch {
        #expect(error.isOversized)
      }
      #expect(consumer.entriesPerRead == BusLimits.entriesPerRead / 8)
      let running = Task { await bus.consume(consumer, seen) }
      #expect(try await eventually { await seen.texts.count >= texts.count })
      #expect(await seen.texts == texts)
      await bus.stop(consumer)
      _ = await running.value
    }
  }

  @Test("ends when somebody else has what it works under")
  func replaced() async throws {
    try await Bus.run { bus in
      let lease = bus.keys.lease(bus.keys.partitions.all[0])
      _ = try await bus.command("SET", "\(lease)", "me")
      let consumer = try await self.consumer(bus, fence: .init(key: lease, value: "me"))
      let seen = Seen()
      let running = Task { await bus.consume(consumer, seen) }
      try await self.fill(bus, 0..<1)
      #expect(try await eventually { await seen.texts == ["0"] })
      _ = try await bus.command("SET", "\(lease)", "heir")
      let heir = try await self.consumer(bus, "heir", fence: .init(key: lease, value: "heir"))
      _ = try await heir.begin()
      #expect(await running.value == .replaced)
      #expect(try await self.groups(bus).map(\.name) == [heir.group])
    }
  }
}

/// What a running consumer has handled.
private actor Seen {
  private(set) var texts: [String] = []
  private var failures: Int

  init(failures: Int = 0) { self.failures = failures }

  func handle(_ entries: [String]) throws(RedisError) {
    self.texts += entries
    guard self.failures == 0 else {
      self.failures -= 1
      throw .unanswered("the test says so")
    }
  }
}

extension Bus {
  fileprivate func readOnce(_ consumer: GroupConsumer) async throws(RedisError) -> [StreamEntry] {
    try await consumer.read(blockMilliseconds: 20_000)
  }

  fileprivate func stop(_ consumer: GroupConsumer) async { await consumer.stop() }

  /// Runs a consumer on the clients' event loop until it ends.
  fileprivate func consume(_ consumer: GroupConsumer, _ seen: Seen) async -> GroupConsumer.End {
    await consumer.run(logger: Logger.silent) {
      entries throws(RedisError) in
      try await seen.handle(entries.map { $0.text ?? "nil" })
    }
  }
}
