import BusTestSupport
import ConnectProtocol
import NIOCore
import TestSupport
import Testing

@testable import MessageBus
@testable import Redis

@Suite("Reads that a consumer sends ahead", .timeLimit(.minutes(20)))
struct GroupConsumerReadTests {
  @Test("are more while entries come one by one, fewer where none or several come")
  func count() {
    var reads = ReadsAhead<Int>()
    #expect(reads.count == 1)
    for entries in [1, 1, 1, 0, 1] { reads.adapt(to: entries) }
    #expect(reads.count == 3)
    for _ in 0..<20 { reads.adapt(to: 1) }
    #expect(reads.count == BusLimits.readsAhead)
    reads.adapt(to: 2)
    #expect(reads.count == BusLimits.readsAhead / 2)
    reads.adapt(to: 3)
    #expect(reads.count == 1)
  }

  @Test("give what has come together, in order, up to a failure or too many")
  func together() throws {
    var reads = ReadsAhead<Int>()
    for _ in 0..<6 { reads.sent() }
    for number in 0..<3 { reads.answered(.success([number])) }
    #expect(try reads.take(maximum: 2) == [0, 1])
    reads.answered(.failure(.unanswered("the test says so")))
    reads.answered(.success([3]))
    #expect(try reads.take(maximum: 2) == [2])
    #expect(!reads.hasEntries)
    #expect(throws: RedisError.self) { try reads.take(maximum: 2) }
    #expect(reads.hasEntries)
    #expect(!reads.isEmpty)
    reads.forget()
    #expect(reads.isEmpty, "the last is of an earlier session, too")
    #expect(!reads.hasArrived)
    // One ends without entries, and the one behind it has some.
    for entries in [[], [4]] {
      reads.sent()
      reads.answered(.success(entries))
    }
    #expect(reads.hasEntries)
    #expect(try reads.take(maximum: 2) == [4])
  }

  /// A consumer that has sent as many reads as it may, and has finished what came before.
  private func readingAhead(
    _ bus: isolated Bus, _ reader: (any RedisClient)? = nil
  ) async throws -> GroupConsumer {
    let own = try await bus.makeClient()
    let consumer = GroupConsumer(
      stream: bus.stream, family: "messaging", instance: InstanceID("one")!,
      reader: reader ?? own, client: bus.client, logger: .silent)
    // None of them ends before the test does.
    consumer.blockMilliseconds = 600_000
    #expect(await bus.next(consumer).session != nil)
    var number = 0
    while consumer.reads.count < BusLimits.readsAhead || consumer.reads.underWay < 4 {
      try await bus.fill(number..<(number + 1))
      let entries = try #require(await bus.next(consumer).entries)
      #expect(entries.map(\.text) == texts(number..<(number + 1)))
      await consumer.finish(.now)
      number += 1
    }
    return consumer
  }

  /// Adds entries, and waits until replies to earlier reads have brought them.
  private func arrive(
    _ names: [String], _ consumer: GroupConsumer, _ bus: isolated Bus
  ) async throws {
    let before = consumer.reads.underWay
    for name in names { try await bus.add(name, to: bus.stream) }
    try await eventually("all have arrived") {
      consumer.reads.underWay == before - names.count
    }
  }

  @Test("have entries here that are handled together, and none is there twice")
  func ahead() async throws {
    try await Bus.run { bus in
      let consumer = try await self.readingAhead(bus)
      try await self.arrive(["a", "b", "c"], consumer, bus)
      #expect(await bus.next(consumer).entries?.map(\.text) == ["a", "b", "c"])
      await consumer.finish(.now)
      try await bus.fill(0..<40)
      var seen: [String?] = []
      while seen.count < 40 {
        seen += try #require(await bus.next(consumer).entries).map(\.text)
        await consumer.finish(.later)
      }
      #expect(seen == texts(0..<40))
      await bus.stop(consumer)
    }
  }

  @Test("lose nothing when one fails: what has come behind it comes again, in order")
  func failed() async throws {
    try await Bus.run { bus in
      let reader = FailingReader(try await bus.makeClient())
      let consumer = try await self.readingAhead(bus, reader)
      reader.answersUntilFailure = 1
      try await self.arrive(["a", "b", "c"], consumer, bus)
      #expect(await bus.next(consumer).entries?.map(\.text) == ["a"])
      await consumer.finish(.now)
      #expect(await bus.next(consumer).session != nil)
      #expect(await bus.next(consumer).entries?.map(\.text) == ["b", "c"])
      await consumer.finish(.now)
      try await bus.add("d", to: bus.stream)
      #expect(await bus.next(consumer).entries?.map(\.text) == ["d"])
      await bus.stop(consumer)
    }
  }

  @Test(
    "give what they have brought before their group goes away, and then all that is not acknowledged"
  )
  func readingGroupLost() async throws {
    try await Bus.run { bus in
      let consumer = try await self.readingAhead(bus)
      try await self.arrive(["a", "b"], consumer, bus)
      _ = try await bus.command("XGROUP", "DESTROY", "\(bus.stream)", consumer.groups.reading)
      for name in ["c", "d"] { try await bus.add(name, to: bus.stream) }
      var seen: [String?] = []
      while seen.last != "d" {
        guard let entries = await bus.next(consumer).entries else { continue }
        seen += entries.map(\.text)
        await consumer.finish(.later)
      }
      #expect(seen == ["a", "b", "a", "b", "c", "d"])
      await bus.stop(consumer)
    }
  }

  @Test(
    "give what they have brought before their groups go away, and then all that is there, in order"
  )
  func groupsLost() async throws {
    try await Bus.run { bus in
      let consumer = try await self.readingAhead(bus)
      try await self.arrive(["a", "b"], consumer, bus)
      for group in [consumer.groups.finished, consumer.groups.reading] {
        _ = try await bus.command("XGROUP", "DESTROY", "\(bus.stream)", group)
      }
      for name in ["c", "d"] { try await bus.add(name, to: bus.stream) }
      let all = try await bus.entries(bus.stream).map(\.offset)
      #expect(await bus.next(consumer).entries?.map(\.text) == ["a", "b"])
      await consumer.finish(.later)
      #expect(await bus.next(consumer).session != nil)
      var seen: [Offset] = []
      while seen.count < all.count {
        seen += try #require(await bus.next(consumer).entries).map(\.offset)
        await consumer.finish(.later)
      }
      #expect(seen == all)
      await bus.stop(consumer)
    }
  }

  @Test("leave nothing to whoever comes next that has arrived before the stop")
  func stopped() async throws {
    try await Bus.run { bus in
      let consumer = try await self.readingAhead(bus)
      try await self.arrive(["a", "b"], consumer, bus)
      await bus.stop(consumer)
      #expect(await bus.next(consumer).entries?.map(\.text) == ["a", "b"])
      await consumer.finish(.later)
      #expect(await bus.next(consumer).end == .stopped)
      let heir = try await bus.makeConsumer("heir")
      #expect(try #require(await bus.next(heir).session).unfinished == nil)
      await bus.stop(heir)
    }
  }

  @Test("are not sent by whoever wants one entry after the other")
  func oneByOne() async throws {
    try await Bus.run { bus in
      let consumer = try await bus.makeConsumer()
      #expect(await bus.next(consumer).session != nil)
      for number in 0..<5 {
        try await bus.fill(number..<(number + 1))
        #expect(await consumer.next(maximum: 1).entries?.count == 1)
        #expect(consumer.reads.isEmpty)
        await consumer.finish(.later)
      }
      await bus.stop(consumer)
    }
  }
}

/// A client that gives an error instead of one of the replies.
///
/// Unchecked: on its event loop only.
private final class FailingReader: ForwardingClient, @unchecked Sendable {
  let client: any RedisClient
  /// Replies before the one that becomes an error; nil for none.
  var answersUntilFailure: Int?

  init(_ client: any RedisClient) { self.client = client }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    self.client.submit(batch, timeout: timeout) { replies in
      let left = self.answersUntilFailure
      self.answersUntilFailure = left.flatMap { $0 > 0 ? $0 - 1 : nil }
      completion(left == 0 ? .failed(batch.count, .unanswered("the test says so")) : replies)
    }
  }
}
