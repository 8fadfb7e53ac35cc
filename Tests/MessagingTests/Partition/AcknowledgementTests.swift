import BusTestSupport
import ConnectProtocol
import Logging
import Metrics
import NIOConcurrencyHelpers
import NIOCore
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging
@testable import Redis

@Suite("The worker of a partition", .timeLimit(.minutes(20)))
struct AcknowledgementTests {
  /// An entry that was set aside and came again would be set aside, and reported to its sender,
  /// twice.
  @Test("acknowledges what it has set aside before it reads on, and what it has stored later")
  func settled() async throws {
    try await Bus.run { bus in
      let partition = bus.keys.partitions.partition(for: UserName("bob")!)
      let stream = bus.keys.incoming(partition)
      let id = InstanceID("m1")!
      let reader = WatchedReader(try await bus.makeClient())
      nonisolated(unsafe) let consumer = GroupConsumer(
        stream: stream, family: "messaging", instance: id, reader: reader, client: bus.client,
        logger: .silent)
      let unacknowledged = NIOLockedValueBox<[Unacknowledged]>([])
      reader.onRead = {
        let finished = Unacknowledged(count: consumer.finished.count, last: consumer.finished.last)
        unacknowledged.withLockedValue { $0.append(finished) }
      }
      let worker = PartitionWorker(
        partition: partition, configuration: MessagingConfiguration(id: id, keys: bus.keys),
        consumer: consumer, client: bus.client, writer: bus.client,
        created: CreatedStreams(on: bus.client.eventLoop, logger: .silent),
        metrics: MessagingMetrics(factory: MetricsSystem.factory), logger: .silent)

      try await bus.add("not an envelope", to: stream)
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask(executorPreference: worker.executor) { _ = await worker.run() }
        try await eventually("it reads on behind the poison") {
          unacknowledged.withLockedValue { $0.count } >= 2
        }
        #expect(try await bus.entries(bus.keys.deadLetters).count == 1)
        let message = String(decoding: Envelope.Draft.message(to: "bob").array, as: UTF8.self)
        // Two reads were sent behind the poison, so it reads on behind both.
        let first = try await bus.add(message, to: stream)
        let second = try await bus.add(message, to: stream)
        try await eventually("it reads on behind the messages") {
          unacknowledged.withLockedValue { $0.last?.last } == second
        }
        // A read that finds nothing for long is done again.
        let expected = [
          Unacknowledged(count: 0, last: nil), Unacknowledged(count: 1, last: first),
          Unacknowledged(count: 2, last: second), Unacknowledged(count: 1, last: second),
        ]
        #expect(unacknowledged.withLockedValue { $0.allSatisfy { expected.contains($0) } })
        await worker.stop()
        try await tasks.waitForAll()
      }
    }
  }
}

/// Of the entries that are finished.
private struct Unacknowledged: Hashable {
  let count: Int
  let last: Offset?
}

/// A client that says when it is asked, as a consumer's reader is for each read.
///
/// Unchecked: on its event loop only.
private final class WatchedReader: ForwardingClient, @unchecked Sendable {
  let client: any RedisClient
  var onRead: () -> Void = {}

  init(_ client: any RedisClient) { self.client = client }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    self.onRead()
    self.client.submit(batch, timeout: timeout, completion: completion)
  }
}
