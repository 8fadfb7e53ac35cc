import BusTestSupport
import ConnectProtocol
import LocalRedis
import Metrics
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging
@testable import Redis

@Suite("What senders are told", .timeLimit(.minutes(20)))
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

  private func publisher(_ bus: isolated Bus) -> NoticePublisher {
    NoticePublisher(
      keys: bus.keys, client: bus.client, durability: .replicated(1),
      metrics: MessagingMetrics(factory: MetricsSystem.factory))
  }

  private func published(_ bus: isolated Bus) async throws -> [StreamEntry] {
    try await bus.entries(bus.keys.incoming(bus.keys.partitions.all[0]))
  }

  private func startReplica(of server: LocalRedisServer) async throws -> LocalRedisServer {
    var options = LocalRedisServer.Options()
    options.extraArguments = [
      "--replicaof", "127.0.0.1", "\(server.port)", "--repl-diskless-sync-delay", "0",
    ]
    return try await LocalRedisServer.start(options)
  }

  @Test("is on the bus once, although no replica has it yet and its batch comes again")
  func once() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        let publisher = self.publisher(bus)
        func published() async throws -> [String?] { try await self.published(bus).map(\.text) }
        for _ in 0..<2 { #expect(try await !self.isPublished(1...2, by: publisher, bus)) }
        #expect(try await published() == ["1", "2"])
        #expect(try await !self.isPublished(1...3, by: publisher, bus))
        #expect(try await published() == ["1", "2"], "what is new waits for what is not confirmed")

        let replica = try await self.startReplica(of: server)
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

  @Test("is published twice at most where it is taken from the bus, however late replicas are")
  func taken() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        let publisher = self.publisher(bus)
        let stream = "\(bus.keys.incoming(bus.keys.partitions.all[0]))"
        var count = 0
        for _ in 0..<5 {
          #expect(try await !self.isPublished(1...1, by: publisher, bus))
          for entry in try await self.published(bus) {
            count += 1
            _ = try await bus.command("XDEL", stream, "\(entry.offset)")
          }
        }
        #expect(count == 2)
        let replica = try await self.startReplica(of: server)
        #expect(try await eventually { try await self.isPublished(1...1, by: publisher, bus) })
        #expect(try await self.published(bus).isEmpty)
        await replica.stop()
      }
    }
  }

  @Test("is published again where another primary lacks it, before what is new", arguments: [1, 2])
  func lost(count: UInt64) async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        let publisher = self.publisher(bus)
        #expect(try await !self.isPublished(1...count, by: publisher, bus))
        let stream = "\(bus.keys.incoming(bus.keys.partitions.all[0]))"
        let lost = try await self.published(bus).map(\.offset)
        #expect(lost.count == Int(count))
        // As a replica looks that was promoted without them.
        for offset in lost { _ = try await bus.command("XDEL", stream, "\(offset)") }
        let replica = try await self.startReplica(of: server)
        for _ in 0..<2 {
          #expect(
            try await eventually { try await self.isPublished(1...3, by: publisher, bus) })
          #expect(try await self.published(bus).map(\.text) == ["1", "2", "3"])
        }
        await replica.stop()
      }
    }
  }

  @Test("says that it may be a repeat where it is published again")
  func repeated() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        let notices = SenderNotices(
          keys: bus.keys, client: bus.client, writer: bus.client, durability: .replicated(1),
          metrics: MessagingMetrics(factory: MetricsSystem.factory), logger: .silent)
        let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
        let items = [MailboxWriter.Item.message(offset(1), id: "m1", flags: .copy)]
        let stream = bus.keys.incoming(bus.keys.partitions.partition(for: UserName("alice")!))
        func copies() async throws -> [Envelope] {
          try await bus.entries(stream).compactMap { $0.payload.flatMap(Envelope.init) }
        }
        let first = try await writer.store(items).flatMap(\.originals)
        await #expect(throws: RedisError.self) {
          try await notices.copy(first, mayBeRepeats: false)
        }
        #expect(try await copies().map(\.flags) == [[]])
        _ = try await bus.command("DEL", "\(stream)")
        let replica = try await self.startReplica(of: server)
        let again = try await writer.store(items, seenBefore: offset(1)).flatMap(\.originals)
        try await eventually("it is confirmed") {
          (try? await notices.copy(again, mayBeRepeats: false)) != nil
        }
        #expect(try await copies().map(\.flags) == [.retry])
        #expect(try await copies().map(\.idText) == ["m1"])
        await replica.stop()
      }
    }
  }

  /// Redis promises to ask replicas about what the same connection wrote, and about nothing else.
  @Test("is not confirmed by replicas that lack it, although its connection is another one by now")
  func otherConnection() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        let publisher = self.publisher(bus)
        let replica = try await self.startReplica(of: server)
        #expect(try await eventually { try await self.isPublished(1...1, by: publisher, bus) })
        replica.pause()
        #expect(try await !self.isPublished(1...2, by: publisher, bus))
        let confirmation = bus.keys.confirmation(bus.keys.partitions.all[0])
        _ = try await bus.command("DEL", "\(confirmation)")
        try await server.command("CLIENT", "KILL", "TYPE", "normal")
        try await eventually("there is another connection") {
          (try? await bus.client.value { $0.exists(confirmation) }) != nil
        }
        #expect(try await !self.isPublished(1...2, by: publisher, bus))
        #expect(try await bus.client.value { $0.exists(confirmation) })
        replica.resume()
        #expect(try await eventually { try await self.isPublished(1...2, by: publisher, bus) })
        #expect(try await self.published(bus).map(\.text) == ["1", "2"])
        await replica.stop()
      }
    }
  }
}
