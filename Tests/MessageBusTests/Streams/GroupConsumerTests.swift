import BusTestSupport
import ConnectProtocol
import LocalRedis
import Redis
import TestSupport
import Testing

@testable import MessageBus

@Suite("A group's consumer", .timeLimit(.minutes(20)))
struct GroupConsumerTests {
  @Test("reads what was there before its group, from the first entry on")
  func createdFromZero() async throws {
    try await Bus.run { bus in
      let consumer = try await bus.makeConsumer()
      let first = try #require(try await consumer.begin())
      #expect(first.wasCreated)
      try await bus.fill(0..<5)
      let second = try #require(try await consumer.begin())
      #expect(!second.wasCreated)
      #expect(try await consumer.read().map(\.text) == texts(0..<5))
      #expect(try await consumer.read(blockMilliseconds: 1).isEmpty)
    }
  }

  /// Numbers of a script are exact to 2^53 only. Of what a release before 0.4 has read, Redis has a list.
  @Test(
    "goes on with what its predecessor has not finished, whatever ids somebody gave by hand",
    arguments: [
      [offset(1), offset(1, 1), offset(10_000)],
      [offset(9_007_199_254_740_993), offset(9_007_199_254_740_994)],
      [offset(1_000_000_000_000_000_000, 9_007_199_254_740_993)],
      [offset(1_000_000_000_000_000_000, 9_007_199_254_740_992), offset(.max)],
      [offset(.max), offset(.max, 1)], [offset(.max, 10_000_000_000_000_000_000)],
      [offset(.max, .max)],
    ], [false, true])
  func largeIDs(ids: [Offset], isOfFormerRelease: Bool) async throws {
    try await Bus.run { bus in
      for id in ids { try await bus.add("\(id)", to: bus.stream, at: id) }
      if isOfFormerRelease {
        _ = try await bus.command("XGROUP", "CREATE", "\(bus.stream)", "messaging:dead:1", "0")
        _ = try await bus.command(
          "XREADGROUP", "GROUP", "messaging:dead:1", "dead", "STREAMS", "\(bus.stream)", ">")
      } else {
        let dead = try await bus.makeConsumer("dead")
        _ = try await dead.begin()
        #expect(try await dead.read().map(\.offset) == ids)
      }
      let heir = try await bus.makeConsumer("heir")
      let session = try #require(try await heir.begin())
      #expect(session.unfinished == ids[0]...ids[ids.count - 1])
      #expect(session.seenBefore == ids[ids.count - 1])
      #expect(try await bus.hasGroups(of: heir))
      #expect(try await heir.read().map(\.offset) == ids)
      // What is finished does not come again.
      heir.addFinished(Array(try await bus.entries(bus.stream).prefix(1)))
      try await heir.acknowledgeFinished()
      let next = try await bus.makeConsumer("next")
      _ = try await next.begin()
      #expect(
        try await next.read(blockMilliseconds: 1).map(\.offset) == Array(ids.dropFirst()))
    }
  }

  @Test(
    "goes on where everything was finished if one of the two groups was destroyed, or at the first entry",
    arguments: [true, false])
  func halfLost(readingIsLost: Bool) async throws {
    try await Bus.run { bus in
      try await bus.fill(0..<10)
      // It keeps what is finished.
      _ = try await bus.command("XGROUP", "CREATE", "\(bus.stream)", "archive", "0")
      let dead = try await bus.makeConsumer("dead")
      _ = try await dead.begin()
      dead.addFinished(Array(try await dead.read().prefix(4)))
      try await dead.acknowledgeFinished()
      let lost = readingIsLost ? dead.groups.reading : dead.groups.finished
      _ = try await bus.command("XGROUP", "DESTROY", "\(bus.stream)", lost)
      let heir = try await bus.makeConsumer("heir")
      _ = try await heir.begin()
      #expect(try await heir.read().map(\.text) == texts(readingIsLost ? 4..<10 : 0..<10))
      #expect(
        try await Set(bus.groups().map(\.name))
          == ["archive", heir.groups.reading, heir.groups.finished])
    }
  }

  /// A release that goes back to one before 0.4 reads on at the lower of the two groups, which are both its own.
  @Test("leaves its groups where a release before 0.4 goes on with what is not finished")
  func goingBack() async throws {
    try await Bus.run { bus in
      try await bus.fill(0..<10)
      let consumer = try await bus.makeConsumer()
      _ = try await consumer.begin()
      let entries = try await consumer.read()
      consumer.addFinished(Array(entries.prefix(4)))
      try await consumer.acknowledgeFinished()
      let groups = try await bus.groups()
      #expect(groups.allSatisfy { $0.belongs(to: "messaging") && $0.pending == 0 })
      #expect(groups.map(\.lastDelivered).min() == entries[3].offset)
    }
  }

  @Test("waits for entries, and has them as soon as they come")
  func blocks() async throws {
    try await Bus.run { bus in
      let stream = bus.stream
      let consumer = try await bus.makeConsumer()
      _ = try await consumer.begin()
      let writer = Task { try await bus.add("late", to: stream) }
      #expect(try await consumer.read(blockMilliseconds: 20_000).map(\.text) == ["late"])
      _ = try await writer.value
    }
  }

  @Test("goes on where its predecessor had finished, with all that this had only read")
  func inherits() async throws {
    try await Bus.run { bus in
      try await bus.fill(0..<300)
      let dead = try await bus.makeConsumer("dead")
      _ = try await dead.begin()
      let first = try await dead.read()
      while try await !dead.read(blockMilliseconds: 1).isEmpty {}
      dead.addFinished(Array(first.prefix(100)))
      try await dead.acknowledgeFinished()

      let heir = try await bus.makeConsumer("heir")
      let session = try #require(try await heir.begin())
      #expect(session.unfinished?.lowerBound == first[100].offset)
      var read: [String?] = []
      while true {
        let entries = try await heir.read(blockMilliseconds: 1)
        if entries.isEmpty { break }
        read += entries.map(\.text)
      }
      #expect(read == texts(100..<300))
      #expect(try await bus.hasGroups(of: heir), "the predecessor's groups are gone")
      let groups = try await bus.groups()
      let reading = try #require(groups.first { !$0.isMark(among: groups) })
      #expect(reading.lag == 0, "and Redis can tell how much is left")
    }
  }

  @Test("ends the read of a predecessor that still waits, so that it takes nothing away")
  func fences() async throws {
    try await Bus.run { bus in
      let zombie = try await bus.makeConsumer("zombie")
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
      let heir = try await bus.makeConsumer("heir")
      _ = try await heir.begin()
      #expect(await waiting.value)
      try await bus.fill(0..<3)
      #expect(try await heir.read().map(\.text) == texts(0..<3))
    }
  }

  @Test("does not begin while its fence names somebody else, and not before it names anybody")
  func honoursFence() async throws {
    try await Bus.run { bus in
      let lease = bus.keys.lease(bus.keys.partitions.all[0])
      let owner = try await bus.makeConsumer("owner")
      _ = try await owner.begin()
      let other = try await bus.makeConsumer("other", fence: .init(key: lease, value: "me"))
      await #expect(throws: RedisError.self) { try await other.begin() }
      _ = try await bus.command("SET", "\(lease)", "owner")
      #expect(try await other.begin() == nil)
      #expect(try await bus.hasGroups(of: owner))
      _ = try await bus.command("SET", "\(lease)", "me")
      #expect(try await other.begin() != nil)
      #expect(try await bus.hasGroups(of: other))
    }
  }

  @Test("begins one after the other, however many begin at once, and the groups of one stay")
  func beginAtOnce() async throws {
    try await Bus.run { bus in
      try await bus.fill(0..<10)
      let first = try await bus.makeConsumer("first")
      _ = try await first.begin()
      let read = try await first.read()
      first.addFinished(Array(read.prefix(4)))
      try await first.acknowledgeFinished()
      var heirs: [GroupConsumer] = []
      for number in 0..<5 { heirs.append(try await bus.makeConsumer("heir\(number)")) }
      let beginning = heirs.map { heir in
        Task {
          _ = bus
          _ = try? await heir.begin()
        }
      }
      for task in beginning { await task.value }
      let groups = try await bus.groups().map(\.name)
      let last = try #require(heirs.first { groups.contains($0.groups.reading) })
      #expect(try await bus.hasGroups(of: last))
      #expect(try await last.read().map(\.text) == texts(4..<10))
    }
  }

  @Test("tells what another reader left unfinished, under whatever name, and not its own")
  func unfinished() async throws {
    try await Bus.run { bus in
      try await bus.fill(0..<10)
      let before = try await bus.makeConsumer("same")
      #expect(try await before.begin()?.seenBefore == .zero)
      let read = try await before.read()
      let own = try await before.begin()
      #expect(own?.unfinished == nil)
      #expect(own?.seenBefore == read.last?.offset)
      _ = try await before.read()
      // Started again under the same name.
      let after = try await bus.makeConsumer("same")
      let session = try await after.begin()
      #expect(session?.unfinished == read[0].offset...read[9].offset)
      #expect(session?.seenBefore == read[9].offset)
    }
  }

  @Test("begins, reads and acknowledges while memory is full")
  func outOfMemory() async throws {
    let server = try await LocalRedisServer.start()
    try await Bus.run(url: server.url) { bus in
      try await bus.fill(0..<5)
      let dead = try await bus.makeConsumer("dead")
      _ = try await dead.begin()
      _ = try await dead.read()
      _ = try await bus.command("CONFIG", "SET", "maxmemory", "1")
      let heir = try await bus.makeConsumer("heir")
      #expect(try await heir.begin() != nil)
      heir.addFinished(try await heir.read())
      try await heir.acknowledgeFinished()
      #expect(try await bus.length(bus.stream) == 0)
    }
    await server.stop()
  }
}
