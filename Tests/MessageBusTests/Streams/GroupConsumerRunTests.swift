import BusTestSupport
import Logging
import Redis
import TestSupport
import Testing

@testable import MessageBus

@Suite("A group's consumer that runs", .timeLimit(.minutes(5)))
struct GroupConsumerRunTests {
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

  @Test("handles the same entries again, in order, when handling them has failed")
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
      #expect(try await bus.groups()[0].pending == 0)
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
      #expect(try await bus.groups().map(\.name) == [heir.group])
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
  /// Runs a consumer on the clients' event loop until it ends.
  fileprivate func consume(_ consumer: GroupConsumer, _ seen: Seen) async -> GroupConsumer.End {
    await consumer.run(logger: .silent) { entries throws(RedisError) in
      try await seen.handle(entries.map { $0.text ?? "nil" })
    }
  }
}
