import BusTestSupport
import LocalRedis
import NIOCore
import Redis
import Synchronization
import TestSupport
import Testing

@testable import MessageBus

@Suite("A group's consumer that waits", .timeLimit(.minutes(20)))
struct GroupConsumerPauseTests {
  @Test("for the end of a pause ends when it is stopped, and what it gave stays unfinished")
  func stoppedInPause() async throws {
    try await Bus.run { bus in
      let consumer = try await bus.makeConsumer()
      consumer.backoff = .days
      try await bus.fill(0..<3)
      _ = await consumer.next()
      #expect(await consumer.next().entries?.count == 3)
      consumer.failed(.unanswered("the test says so"))
      let waiting = Task { await bus.next(consumer) }
      try await eventually("it pauses") { consumer.pauseEnd != nil }
      await bus.stop(consumer)
      #expect(await waiting.value.end == .stopped)
      #expect(try await bus.pending() == 3)
    }
  }

  @Test("for the end of a pause ends when its task is cancelled")
  func cancelledInPause() async throws {
    try await Bus.run { bus in
      let consumer = try await bus.makeConsumer()
      consumer.backoff = .days
      _ = await consumer.next()
      consumer.failed(.unanswered("the test says so"))
      let waiting = Task { await bus.next(consumer) }
      try await eventually("it pauses") { consumer.pauseEnd != nil }
      waiting.cancel()
      #expect(await waiting.value.end == .stopped)
    }
  }

  @Test("for Redis goes on as soon as Redis is back, however long the pause would be")
  func redisReturns() async throws {
    let server = try await LocalRedisServer.start()
    try await Bus.run(url: server.url) { bus in
      let consumer = try await bus.makeConsumer()
      let seen = Seen()
      let running = Task { await bus.consume(consumer, seen) }
      for round in 0..<3 {
        try await bus.fill(round..<round + 1)
        try await eventually("round \(round) was handled") {
          await seen.texts == texts(0..<round + 1)
        }
        consumer.backoff = .days
        await server.kill()
        try await eventually("it pauses") { consumer.pauseEnd != nil }
        try await server.restart()
        try await bus.client.waitUntilReady()
      }
      await bus.stop(consumer)
      #expect(await running.value == .stopped)
    }
    await server.stop()
  }

  @Test("for Redis ends when it is stopped meanwhile")
  func stoppedInOutage() async throws {
    let server = try await LocalRedisServer.start()
    try await Bus.run(url: server.url) { bus in
      let consumer = try await bus.makeConsumer()
      _ = await consumer.next()
      consumer.backoff = .days
      let waiting = Task { await bus.next(consumer) }
      await server.kill()
      try await eventually("it pauses") { consumer.isAwaitingRedis }
      await bus.stop(consumer)
      #expect(await waiting.value.end == .stopped)
      #expect(!consumer.isAwaitingRedis)
    }
    await server.stop()
  }

  @Test("asks for Redis once, however many pauses an outage has")
  func manyPauses() async throws {
    let server = try await LocalRedisServer.start()
    try await Bus.run(url: server.url) { bus in
      let log = EventLog()
      let reader = AskedClient(try await bus.makeClient())
      let consumer = GroupConsumer(
        stream: bus.stream, family: "messaging", instance: InstanceID("one")!, reader: reader,
        client: bus.client, logger: log.logger)
      let running = Task { await bus.consume(consumer, Seen()) }
      await server.kill()
      try await eventually("it has paused some times") {
        log.count("consumer.read_failed") > 4
      }
      #expect(reader.asked == 1)
      await bus.stop(consumer)
      #expect(await running.value == .stopped)
    }
    await server.stop()
  }

  @Test("for Redis goes on when the client that does not read is back, too")
  func clientReturns() async throws {
    try await Bus.run { bus in
      let client = AskedClient(bus.client)
      let consumer = GroupConsumer(
        stream: bus.stream, family: "messaging", instance: InstanceID("one")!,
        reader: try await bus.makeClient(), client: client, logger: .silent)
      consumer.backoff = .days
      _ = await consumer.next()
      client.leave()
      consumer.failed(.unanswered("the test says so"))
      let waiting = Task { await bus.next(consumer) }
      try await eventually("it waits for the client") { client.asked == 1 }
      client.comeBack()
      #expect(await waiting.value.session != nil)
    }
  }

  /// An entry that comes after the stop would be given by a read that still waits.
  @Test("for entries ends when it is stopped")
  func stoppedInRead() async throws {
    try await Bus.run { bus in
      let consumer = try await bus.makeConsumer()
      _ = await consumer.next()
      let waiting = Task { await bus.next(consumer) }
      try await eventually("it reads") {
        try await bus.connections().contains("cmd=xreadgroup")
      }
      await bus.stop(consumer)
      try await bus.fill(0..<1)
      #expect(await waiting.value.end == .stopped)
    }
  }
}

extension Backoff {
  /// Waits that no test outlives, but for one in a thousand.
  fileprivate static var days: Backoff {
    Backoff(baseMilliseconds: 86_400_000, capMilliseconds: 86_400_000)
  }
}

/// A client that counts how often somebody wants to know when it is ready, and can seem to be away.
private final class AskedClient: ForwardingClient {
  let client: any RedisClient
  private let count = Atomic(0)
  private let back = Mutex<EventLoopPromise<Void>?>(nil)

  init(_ client: any RedisClient) { self.client = client }

  var asked: Int { self.count.load(ordering: .relaxed) }
  var isReady: Bool { self.back.withLock { $0 == nil } && self.client.isReady }

  func leave() { self.back.withLock { $0 = self.eventLoop.makePromise() } }

  func comeBack() { self.back.withLock { $0.take() }?.succeed() }

  func whenReady() -> EventLoopFuture<Void> {
    self.count.add(1, ordering: .relaxed)
    return self.back.withLock { $0?.futureResult } ?? self.client.whenReady()
  }
}
