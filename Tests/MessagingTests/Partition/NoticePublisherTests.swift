import BusTestSupport
import ConnectProtocol
import LocalRedis
import Metrics
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging
@testable import Redis

@Suite("What senders are told", .timeLimit(.minutes(5)))
struct NoticePublisherTests {
  private func notice(_ number: UInt64) -> Notice {
    Notice(
      key: .copy(offset(number)),
      entries: [
        { batch, stream in
          batch.addEntry(to: stream, at: nil, count: 1) { $0.copyBytes(from: "\(number)".utf8) }
        }
      ])
  }

  private func isPublished(
    _ numbers: ClosedRange<UInt64>, by publisher: NoticePublisher, _ bus: isolated Bus
  ) async throws -> Bool {
    do throws(RedisError) {
      let partition = bus.keys.partitions.all[0]
      try await publisher.publish([(partition, numbers.map { self.notice($0) })])
      return true
    } catch {
      #expect("\(error)".contains("replicas asked for"), "\(error)")
      return false
    }
  }

  @Test("is on the bus once, although no replica has it yet and its batch comes again")
  func once() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        let publisher = NoticePublisher(
          keys: bus.keys, client: bus.client, durability: .replicated(1),
          metrics: MessagingMetrics(factory: MetricsSystem.factory))
        func published() async throws -> [String?] {
          try await bus.entries(bus.keys.incoming(bus.keys.partitions.all[0])).map(\.text)
        }
        for _ in 0..<2 { #expect(try await !self.isPublished(1...2, by: publisher, bus)) }
        #expect(try await published() == ["1", "2"])
        #expect(try await !self.isPublished(1...3, by: publisher, bus))
        #expect(try await published() == ["1", "2", "3"])

        var options = LocalRedisServer.Options()
        options.extraArguments = [
          "--replicaof", "127.0.0.1", "\(server.port)", "--repl-diskless-sync-delay", "0",
        ]
        let replica = try await LocalRedisServer.start(options)
        #expect(try await eventually { try await self.isPublished(1...3, by: publisher, bus) })
        #expect(try await published() == ["1", "2", "3"])
        replica.pause()
        #expect(try await self.isPublished(1...3, by: publisher, bus), "it is confirmed by now")
        publisher.finished()
        #expect(try await !self.isPublished(1...1, by: publisher, bus))
        #expect(try await published() == ["1", "2", "3", "1"])
        replica.resume()
        await replica.stop()
      }
    }
  }
}
