import BusTestSupport
import Redis
import TestSupport
import Testing

@testable import MessageBus

@Suite("A group's consumer, asked for what is next,", .timeLimit(.minutes(20)))
struct GroupConsumerNextTests {
  @Test("begins again, from the first entry, when the stream was lost, and goes on")
  func heals() async throws {
    try await Bus.run { bus in
      let stream = bus.stream
      let consumer = try await bus.makeConsumer()
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

  @Test("begins again when its group was destroyed, and misses nothing")
  func healsGroup() async throws {
    try await Bus.run { bus in
      let stream = bus.stream
      let consumer = try await bus.makeConsumer()
      let seen = Seen()
      let running = Task { await bus.consume(consumer, seen) }
      for round in 0..<3 {
        try await bus.add("\(round)", to: stream)
        #expect(try await eventually { await seen.texts.last == "\(round)" })
        for group in try await bus.groups() {
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

  @Test("gives the same entries again, in the same session, when handling them has failed")
  func givesAgain() async throws {
    try await Bus.run { bus in
      let log = EventLog()
      let consumer = try await bus.makeConsumer(logger: log.logger)
      try await bus.fill(0..<5)
      #expect(await consumer.next().session?.wasCreated == false)
      let entries = try #require(await consumer.next().entries)
      // Not among those that come again.
      try await bus.fill(5..<6)
      for _ in 0..<3 {
        consumer.failed(.unanswered("the test says so"))
        #expect(await consumer.next().entries?.map(\.offset) == entries.map(\.offset))
      }
      await consumer.finish(.later)
      #expect(await consumer.next().entries?.map(\.text) == texts(5..<6))
      #expect(log.events == Array(repeating: "consumer.handle_failed", count: 3))
    }
  }

  @Test("warns of no outage, which the client reports")
  func outages() async throws {
    try await Bus.run { bus in
      let log = EventLog(from: .info)
      let consumer = try await bus.makeConsumer(logger: log.logger)
      try await bus.fill(0..<1)
      #expect(await consumer.next().session != nil)
      for outage in [RedisError.unavailable("x"), .unanswered("x"), .unconfirmed("x")] {
        #expect(await consumer.next().entries?.count == 1)
        consumer.failed(outage)
      }
      #expect(log.events == [])
      #expect(await consumer.next().entries?.count == 1)
      consumer.failed(.server(RedisServerError("OOM")))
      #expect(log.events == ["consumer.handle_failed"])
    }
  }

  @Test("begins another session when the worker could not begin with the first, and misses nothing")
  func beginsAgain() async throws {
    try await Bus.run { bus in
      let log = EventLog()
      let consumer = try await bus.makeConsumer(logger: log.logger)
      try await bus.fill(0..<3)
      #expect(await consumer.next().session != nil)
      let first = consumer.groups
      consumer.failed(.unanswered("the test says so"))
      #expect(await consumer.next().session?.wasCreated == false)
      #expect(try await bus.hasGroups(of: consumer))
      #expect(consumer.groups != first)
      #expect(await consumer.next().entries?.map(\.text) == texts(0..<3))
      #expect(log.events == ["consumer.read_failed"])
    }
  }

  @Test("gives as many entries as it is asked for")
  func maximum() async throws {
    try await Bus.run { bus in
      let consumer = try await bus.makeConsumer()
      try await bus.fill(0..<5)
      _ = await consumer.next()
      for number in 0..<2 {
        #expect(await consumer.next(maximum: 1).entries?.map(\.text) == ["\(number)"])
        await consumer.finish(.later)
      }
      #expect(await consumer.next().entries?.map(\.text) == texts(2..<5))
    }
  }

  @Test("handles the same entries again, in order, until that succeeds")
  func handlesAgain() async throws {
    try await Bus.run { bus in
      let stream = bus.stream
      let consumer = try await bus.makeConsumer()
      let seen = Seen(failures: 3)
      try await bus.fill(0..<5)
      let running = Task { await bus.consume(consumer, seen) }
      #expect(try await eventually { await seen.texts.count == 20 })
      try await bus.add("5", to: stream)
      #expect(try await eventually { await seen.texts.count == 21 })
      let five = texts(0..<5)
      #expect(await seen.texts == five + five + five + five + ["5"])
      await bus.stop(consumer)
      _ = await running.value
      // An acknowledgement that its timer sent may still be under way.
      try await eventually("all is acknowledged") { try await bus.pending() == 0 }
    }
  }

  @Test("reads fewer entries at a time when they are more bytes than a reply may have, in order")
  func largeEntries() async throws {
    try await Bus.run { bus in
      let consumer = try await bus.makeConsumer()
      consumer.maximumReplyBytes = 300_000
      let seen = Seen()
      let texts = (0..<128).map { "\($0) " + String(repeating: "x", count: 10_000) }
      for text in texts { try await bus.add(text, to: bus.stream) }
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
      let consumer = try await bus.makeConsumer(fence: .init(key: lease, value: "me"))
      let seen = Seen()
      let running = Task { await bus.consume(consumer, seen) }
      try await bus.fill(0..<1)
      #expect(try await eventually { await seen.texts == ["0"] })
      _ = try await bus.command("SET", "\(lease)", "heir")
      let heir = try await bus.makeConsumer("heir", fence: .init(key: lease, value: "heir"))
      _ = try await heir.begin()
      #expect(await running.value == .replaced)
      #expect(try await bus.hasGroups(of: heir))
    }
  }
}
