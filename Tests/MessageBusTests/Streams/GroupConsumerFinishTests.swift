import BusTestSupport
import ConnectProtocol
import LocalRedis
import Redis
import TestSupport
import Testing

@testable import MessageBus

@Suite("A group's consumer that finishes entries", .timeLimit(.minutes(20)))
struct GroupConsumerFinishTests {
  @Test("acknowledges and removes what is finished, and nothing that is not")
  func finishes() async throws {
    try await Bus.run { bus in
      let stream = bus.stream
      try await bus.fill(0..<10)
      let consumer = try await bus.makeConsumer()
      _ = try await consumer.begin()
      let entries = try await consumer.read()
      consumer.addFinished(Array(entries.prefix(4)))
      #expect(try await bus.pending() == 10)
      try await consumer.acknowledgeFinished()
      #expect(try await bus.pending() == 6)
      #expect(try await bus.entries(stream).map(\.text) == texts(4..<10))
    }
  }

  /// It would be kept for a group that has read it, and written to Redis's file and to its replicas a second time.
  @Test("leaves nothing pending in Redis, whatever it has read")
  func nothingPending() async throws {
    try await Bus.run { bus in
      try await bus.fill(0..<10)
      let consumer = try await bus.makeConsumer()
      _ = try await consumer.begin()
      let entries = try await consumer.read()
      #expect(entries.count == 10)
      #expect(try await bus.groups().map(\.pending) == [0, 0])
      #expect(try await bus.pending() == 10)
    }
  }

  @Test("leaves Redis to know how much is left, whoever goes on")
  func left() async throws {
    try await Bus.run { bus in
      for round in 0..<3 {
        try await bus.fill(0..<10)
        let consumer = try await bus.makeConsumer("reader\(round)")
        _ = try await consumer.begin()
        let entries = try await consumer.read()
        #expect(entries.count == 10 + 2 * round)
        consumer.addFinished(Array(entries.prefix(8)))
        try await consumer.acknowledgeFinished()
        #expect(try await bus.pending() == 2 + 2 * round)
      }
    }
  }

  @Test("tells Redis later what it could not tell it, and all at once")
  func putBack() throws {
    var finished = FinishedEntries()
    let nothing = finished.take()
    #expect(nothing == nil)
    finished.add(3, through: offset(3))
    let first = try Self.taken(&finished)
    #expect(first == (offset(3), 3))
    #expect(finished.count == 0)
    finished.putBack(first)
    finished.add(2, through: offset(5))
    let both = try Self.taken(&finished)
    #expect(both == (offset(5), 5))
    // Newer ones were finished while Redis did not answer.
    finished.add(1, through: offset(6))
    finished.putBack(both)
    let all = try Self.taken(&finished)
    #expect(all == (offset(6), 6))
  }

  private static func taken(
    _ finished: inout FinishedEntries
  ) throws -> (last: Offset, count: Int) {
    let taken = finished.take()
    return try #require(taken)
  }

  @Test("removes nothing, and reads all that is there again, if its second group was destroyed")
  func markLost() async throws {
    try await Bus.run { bus in
      try await bus.fill(0..<10)
      let consumer = try await bus.makeConsumer()
      #expect(await consumer.next().session != nil)
      #expect(await consumer.next().entries?.count == 10)
      _ = try await bus.command(
        "XGROUP", "DESTROY", "\(bus.stream)", consumer.groups.finished)
      await consumer.finish(.now)
      #expect(try await bus.length(bus.stream) == 10)
      #expect(await consumer.next().session?.unfinished == nil)
      #expect(await consumer.next().entries?.map(\.text) == texts(0..<10))
      await consumer.finish(.now)
      #expect(try await bus.length(bus.stream) == 0)
    }
  }

  @Test("acknowledges again what Redis has refused for the moment, and removes nothing until then")
  func refused() async throws {
    let server = try await LocalRedisServer.start()
    try await Bus.run(url: server.url) { bus in
      try await bus.fill(0..<10)
      let consumer = try await bus.makeConsumer()
      _ = try await consumer.begin()
      let entries = try await consumer.read()
      _ = try await bus.command("CONFIG", "SET", "min-replicas-to-write", "1")
      consumer.addFinished(Array(entries.prefix(4)))
      do throws(RedisError) {
        try await consumer.acknowledgeFinished()
        Issue.record("was acknowledged")
      } catch {
        #expect("\(error)".contains("NOREPLICAS"))
      }
      _ = try await bus.command("CONFIG", "SET", "min-replicas-to-write", "0")
      #expect(try await bus.length(bus.stream) == 10)
      try await consumer.acknowledgeFinished()
      #expect(try await bus.entries(bus.stream).map(\.text) == texts(4..<10))
      #expect(try await bus.pending() == 6)
    }
    await server.stop()
  }

  /// A replica that took over may know less of what was read, and its clock may be behind: what comes then may lie
  /// below what was finished before.
  @Test("removes and marks nothing if Redis does not know that it was read, and reads it again")
  func wentBack() async throws {
    try await Bus.run { bus in
      try await bus.fill(0..<10)
      let consumer = try await bus.makeConsumer()
      #expect(await consumer.next().session != nil)
      let entries = try #require(await consumer.next().entries)
      #expect(entries.count == 10)
      _ = try await bus.command(
        "XGROUP", "SETID", "\(bus.stream)", consumer.groups.reading, "\(entries[3].offset)")
      await consumer.finish(.now)
      #expect(try await bus.length(bus.stream) == 10)
      #expect(try await bus.groups().map(\.lastDelivered).min() == .zero)
      #expect(await consumer.next().session?.seenBefore == entries[3].offset)
      #expect(await consumer.next().entries?.map(\.text) == texts(0..<10))
      await consumer.finish(.now)
      #expect(try await bus.length(bus.stream) == 0)
    }
  }

  @Test("begins again, and gives nothing, if what it reads lies below what it has given")
  func readsBelow() async throws {
    try await Bus.run { bus in
      let log = EventLog()
      try await bus.fill(0..<10)
      // It keeps what is finished.
      _ = try await bus.command("XGROUP", "CREATE", "\(bus.stream)", "archive", "0")
      let consumer = try await bus.makeConsumer(logger: log.logger)
      #expect(await consumer.next().session != nil)
      let entries = try #require(await consumer.next().entries)
      await consumer.finish(.now)
      _ = try await bus.command(
        "XGROUP", "SETID", "\(bus.stream)", consumer.groups.reading, "\(entries[3].offset)")
      #expect(await consumer.next().session != nil)
      #expect(log.events == ["consumer.read_failed"])
      try await bus.fill(10..<11)
      #expect(await consumer.next().entries?.map(\.text) == texts(10..<11))
    }
  }

  @Test("goes on where both groups have passed if a replica took over that knew less")
  func finishedAhead() async throws {
    try await Bus.run { bus in
      try await bus.fill(0..<10)
      let offsets = try await bus.entries(bus.stream).map(\.offset)
      for (group, offset) in [("reading", offsets[3]), ("finished", offsets[8])] {
        _ = try await bus.command(
          "XGROUP", "CREATE", "\(bus.stream)", "messaging:dead:1:\(group)", "\(offset)")
      }
      let heir = try await bus.makeConsumer("heir")
      let session = try #require(try await heir.begin())
      #expect(session.seenBefore == offsets[3])
      #expect(session.unfinished == nil)
      #expect(try await heir.read().map(\.text) == texts(4..<10))
    }
  }

  @Test("acknowledges by itself, soon")
  func finishesLater() async throws {
    try await Bus.run { bus in
      let stream = bus.stream
      try await bus.fill(0..<3)
      let consumer = try await bus.makeConsumer()
      _ = try await consumer.begin()
      consumer.addFinished(try await consumer.read())
      #expect(try await eventually { try await bus.length(stream) == 0 })
      #expect(try await bus.pending() == 0)
    }
  }

  @Test("acknowledges at once only if it is told to")
  func finishesNow() async throws {
    try await Bus.run { bus in
      let consumer = try await bus.makeConsumer()
      _ = await consumer.next()
      try await bus.fill(0..<3)
      _ = await consumer.next()
      await consumer.finish(.later)
      #expect(consumer.finished.count == 3)
      try await bus.fill(3..<6)
      _ = await consumer.next()
      await consumer.finish(.now)
      #expect(consumer.finished.count == 0)
      #expect(try await bus.pending() == 0)
      #expect(try await bus.length(bus.stream) == 0)
    }
  }

  @Test("removes nothing that another group on the stream has not finished")
  func respectsOthers() async throws {
    try await Bus.run { bus in
      let stream = bus.stream
      try await bus.fill(0..<10)
      _ = try await bus.command("XGROUP", "CREATE", "\(stream)", "archive", "0")
      let consumer = try await bus.makeConsumer()
      _ = try await consumer.begin()
      consumer.addFinished(try await consumer.read())
      try await consumer.acknowledgeFinished()
      #expect(try await bus.length(stream) == 10, "the archive has read nothing")

      // It reads six, and acknowledges the first two.
      let reply = try await bus.command(
        "XREADGROUP", "GROUP", "archive", "a", "COUNT", "6", "STREAMS", "\(stream)", ">")
      _ = reply
      let offsets = try await bus.entries(stream).map(\.offset)
      _ = try await bus.command(
        "XACK", "\(stream)", "archive", "\(offsets[0])", "\(offsets[1])")
      try await bus.fill(10..<11)
      consumer.addFinished(try await consumer.read())
      try await consumer.acknowledgeFinished()
      #expect(try await bus.entries(stream).map(\.text) == texts(2..<11))
    }
  }

  @Test("that was replaced removes nothing that its heir has not finished")
  func zombieRemovesNothing() async throws {
    try await Bus.run { bus in
      let stream = bus.stream
      try await bus.fill(0..<10)
      let zombie = try await bus.makeConsumer("zombie")
      _ = try await zombie.begin()
      let read = try await zombie.read()
      let heir = try await bus.makeConsumer("heir")
      _ = try await heir.begin()
      let heirs = try await heir.read()
      heir.addFinished(Array(heirs.prefix(3)))
      try await heir.acknowledgeFinished()
      zombie.addFinished(read)
      try await zombie.acknowledgeFinished()
      #expect(try await bus.entries(stream).map(\.text) == texts(3..<10))
    }
  }
}
