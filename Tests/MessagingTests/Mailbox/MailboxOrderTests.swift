import BusTestSupport
import ConnectProtocol
import Redis
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging

@Suite("The order of a mailbox", .timeLimit(.minutes(20)))
struct MailboxOrderTests {
  private let bob = UserName("bob")!

  private func origins(_ bus: isolated Bus) async throws -> [Offset?] {
    try await bus.mailbox(self.bob).map { $0.envelope?.origin(at: $0.offset) }
  }

  /// False if Redis refuses for now; then the batch is to be given again.
  private func isStored(
    _ batch: [MailboxWriter.Item], by writer: MailboxWriter
  ) async throws -> Bool {
    do {
      _ = try await writer.store(batch)
      return true
    } catch {
      guard case .server(let refusal) = error, refusal.isTransient else { throw error }
      return false
    }
  }

  @Test("outlasts memory that is full and free again at any moment")
  func outOfMemory() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
        let other = try await bus.makeClient()
        let toggling = Task {
          _ = bus
          while !Task.isCancelled {
            // One at a time: Redis does what one read brings without a look at others.
            for memory in ["1", "0"] {
              var batch = RedisBatch()
              batch.append("CONFIG", "SET", "maxmemory", memory)
              _ = await other.execute(batch)
            }
          }
          return
        }
        defer { toggling.cancel() }
        var refusals = 0
        var count = 0
        // Batches larger than what Redis reads at a time, so that others come in between.
        for _ in 0..<200 where refusals < 20 || count < 2_000 {
          let batch = MailboxWriter.Item.messages(count + 1...count + 400)
          count += 400
          var isStored = false
          for _ in 0..<1_000 where !isStored {
            isStored = try await self.isStored(batch, by: writer)
            if !isStored { refusals += 1 }
          }
          try #require(isStored)
        }
        toggling.cancel()
        await toggling.value
        #expect(refusals >= 20)
        #expect(try await self.origins(bus) == (1...count).map { offset(UInt64($0)) })
        #expect(try await bus.mailbox(self.bob).allSatisfy { $0.envelope?.flags == [] })
      }
    }
  }

  @Test("is kept by Redis: memory that is full before EXEC refuses all of it")
  func transaction() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        let stream = bus.keys.mailbox(self.bob)
        let client = try await bus.makeClient()
        var begin = RedisBatch()
        begin.append("MULTI")
        for id in ["1-0", "2-0"] { begin.append("XADD", "\(stream)", id, "m", "x") }
        try await client.execute(begin).check()
        _ = try await bus.command("CONFIG", "SET", "maxmemory", "1")
        var end = RedisBatch()
        end.append("EXEC")
        let refused = await #expect(throws: RedisError.self) {
          try await client.execute(end).check()
        }
        guard case .server(let error) = refused else { throw refused ?? .unavailable("no error") }
        #expect(error.code == "EXECABORT")
        #expect(error.isTransient)
        #expect(try await bus.length(stream) == 0)
        // The writer throws then, and stores nothing.
        let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
        for batch in [MailboxWriter.Item.messages(1...1), MailboxWriter.Item.messages(1...3)] {
          #expect(await writer.failure(of: batch) != nil)
        }
        #expect(try await bus.length(stream) == 0)
        _ = try await bus.command("CONFIG", "SET", "maxmemory", "0")
        #expect(try await writer.store(MailboxWriter.Item.messages(1...3))[0].pushes.count == 3)
      }
    }
  }

  @Test("is one for all when two owners put the same entries above the top at once")
  func relocation() async throws {
    try await Bus.run { bus in
      let clients = [bus.client, try await bus.makeClient()]
      _ = try await MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
        .store([.message(offset(1_000), id: "top")])
      let absent = (1...60).map { offset(UInt64($0)) }
      let owners = clients.map { client in
        Task {
          _ = bus
          let writer = MailboxWriter(keys: bus.keys, client: client, limits: .ageless)
          var pushed: [Offset] = []
          // As a partition gives them: batch by batch, the same to both.
          for start in stride(from: 1, through: 60, by: 6) {
            let batch = MailboxWriter.Item.messages(start..<start + 6)
            pushed += try await writer.store(batch)[0].pushes.map(\.offset)
          }
          return pushed
        }
      }
      let pushed = [try await owners[0].value, try await owners[1].value]
      #expect(try await self.origins(bus) == [offset(1_000)] + absent)
      let offsets = try await bus.mailbox(self.bob).dropFirst().map(\.offset)
      #expect(pushed[0] == offsets)
      #expect(pushed[1] == offsets)
    }
  }

  @Test("does not get back what was acked and trimmed, when a paused owner gives it again")
  func trimmed() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await writer.store(MailboxWriter.Item.messages(1...5))
      try await bus.setCursor(offset(4), of: self.bob)
      #expect(try await bus.trim(self.bob, .ageless(history: 1)).removed == 3)
      for _ in 0..<2 {
        let paused = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
        let stored = try await paused.store(
          MailboxWriter.Item.messages(1...6), seenBefore: offset(5))
        #expect(stored[0].pushes.map(\.offset) == (4...6).map { offset($0) })
        #expect(stored[0].refused.isEmpty)
        #expect(try await self.origins(bus) == (4...6).map { offset($0) })
      }
    }
  }

  @Test("gets what is below the cut but new, when ids went back: that was never removed")
  func idsWentBack() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await writer.store(MailboxWriter.Item.messages(1_001...1_005))
      try await bus.setCursor(offset(1_005), of: self.bob)
      #expect(try await bus.trim(self.bob, .ageless(history: 0)).removed == 5)
      let stored = try await writer.store(MailboxWriter.Item.messages(1...3))
      #expect(stored[0].pushes.count == 3)
      #expect(try await self.origins(bus) == (1...3).map { offset($0) })
    }
  }

  @Test("has both entries to which the bus gave one offset, when it lost its streams in between")
  func offsetGivenTwice() async throws {
    try await Bus.run { bus in
      let items = ["alice", "eve"].map {
        MailboxWriter.Item.message(offset(5), from: $0, id: "m1", flags: .copy)
      }
      for item in items + items {
        // Each time as after a crash, when what was stored may come again.
        let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
        let stored = try await writer.store([item])
        #expect(stored[0].pushes.count == 1)
        #expect(stored[0].originals.map(\.envelope.fromText) == [item.envelope.fromText])
      }
      let mailbox = try await bus.mailbox(self.bob)
      #expect(mailbox.map { $0.envelope?.fromText } == ["alice", "eve"])
      #expect(mailbox.map(\.offset) == [offset(5), offset(5, 1)])
      #expect(try await self.origins(bus) == [offset(5), offset(5)])
    }
  }

  @Test("is not touched where it would have to be guessed, by an owner that is none any more")
  func fenced() async throws {
    try await Bus.run { bus in
      let lease = bus.keys.lease(bus.keys.partitions.all[0])
      let writer = MailboxWriter(
        keys: bus.keys, client: bus.client, limits: .ageless,
        fence: GroupConsumer.Fence(key: lease, value: "me"))
      _ = try await bus.command("SET", "\(lease)", "me")
      _ = try await writer.store(MailboxWriter.Item.messages(1_001...1_001))
      _ = try await writer.store(MailboxWriter.Item.messages(1...1))
      _ = try await bus.command("SET", "\(lease)", "heir")
      do throws(RedisError) {
        _ = try await writer.store(MailboxWriter.Item.messages(2...2))
        Issue.record("it was stored")
      } catch {
        #expect(!error.mayHaveBeenExecuted)
      }
      #expect(try await self.origins(bus) == [offset(1_001), offset(1)])
    }
  }

  @Test("takes a mailbox that was lost for empty")
  func lost() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await writer.store(MailboxWriter.Item.messages(1...5))
      _ = try await bus.command("DEL", "\(bus.keys.mailbox(self.bob))")
      let stored = try await writer.store(MailboxWriter.Item.messages(4...7))
      #expect(stored[0].pushes.map(\.offset) == (4...7).map { offset($0) })
      #expect(stored[0].pushes.allSatisfy { $0.previous == .zero || $0.previous >= offset(4) })
    }
  }

  @Test("ends at the largest offset there is: then a mailbox refuses, and others go on")
  func exhausted() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      try await bus.add("x", to: bus.keys.mailbox(self.bob), at: offset(.max, .max))
      let stored = try await writer.store(
        MailboxWriter.Item.messages(1...2) + MailboxWriter.Item.messages(3...3, to: "eve"))
      #expect(stored[0].refused.map(\.0.offset) == [offset(1), offset(2)])
      #expect(stored[1].pushes.count == 1)
    }
  }
}
