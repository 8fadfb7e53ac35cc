import BusTestSupport
import ConnectProtocol
import LocalRedis
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging
@testable import Redis

@Suite("A writer of mailboxes that must be replicated", .timeLimit(.minutes(20)))
struct MailboxDurabilityTests {
  private func isStored(
    _ items: [MailboxWriter.Item], by writer: MailboxWriter, _ bus: isolated Bus
  ) async throws -> Bool {
    do throws(RedisError) {
      let stored = try await writer.store(items, seenBefore: items.last?.offset ?? .zero)
      #expect(stored.flatMap(\.pushes).map(\.offset) == items.map(\.offset))
      return true
    } catch {
      #expect("\(error)".contains("replicas asked for"), "\(error)")
      return false
    }
  }

  @Test("counts nothing as stored that was put above the top and has no replica, nor at the repeat")
  func relocated() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        let plain = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
        _ = try await plain.store(MailboxWriter.Item.messages(5...5))
        let writer = MailboxWriter(
          keys: bus.keys, client: bus.client, limits: .ageless, durability: .replicated(1))
        for _ in 0..<3 {
          do throws(RedisError) {
            _ = try await writer.store(MailboxWriter.Item.messages(3...3))
            Issue.record("it counted as stored")
          } catch {
            #expect("\(error)".contains("replicas asked for"), "\(error)")
          }
        }
        #expect(try await bus.mailbox(UserName("bob")!).count == 2)
      }
    }
  }

  /// The second time nothing is written, and WAIT alone would be content with that.
  @Test("counts nothing as stored that no replica has, at the first attempt and at each repeat")
  func repeats() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        let writer = MailboxWriter(
          keys: bus.keys, client: bus.client, limits: .ageless, durability: .replicated(1))
        let one = MailboxWriter.Item.messages(1...1)
        let several = MailboxWriter.Item.messages(1...5)
        #expect(try await !self.isStored(one, by: writer, bus))
        #expect(try await bus.mailbox(UserName("bob")!).count == 1)
        #expect(try await !self.isStored(one, by: writer, bus))

        var options = LocalRedisServer.Options()
        options.extraArguments = [
          "--replicaof", "127.0.0.1", "\(server.port)", "--repl-diskless-sync-delay", "0",
        ]
        let replica = try await LocalRedisServer.start(options)
        #expect(try await eventually { try await self.isStored(one, by: writer, bus) })
        replica.pause()
        #expect(try await !self.isStored(several, by: writer, bus))
        // By another connection, which has written nothing of it.
        let heir = MailboxWriter(
          keys: bus.keys, client: try await bus.makeClient(), limits: .ageless,
          durability: .replicated(1))
        #expect(try await !self.isStored(several, by: heir, bus))
        replica.resume()
        #expect(try await eventually { try await self.isStored(several, by: heir, bus) })
        #expect(try await bus.mailbox(UserName("bob")!).map(\.offset) == several.map(\.offset))
        await replica.stop()
      }
    }
  }
}
