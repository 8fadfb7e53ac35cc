import BusTestSupport
import ConnectProtocol
import Redis
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging

@Suite("A writer that keeps mailboxes short", .timeLimit(.minutes(20)))
struct MailboxTrimmingTests {
  private let bob = UserName("bob")!

  @Test("looks after a mailbox that it writes for the first time, and the chain goes on")
  func first() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless(history: 10))
      let mailbox = bus.keys.mailbox(self.bob)
      try await bus.setCursor(offset(25), of: self.bob)
      _ = try await writer.store(MailboxWriter.Item.messages(1...30))
      #expect(try await eventually { try await bus.length(mailbox) == 15 })
      #expect(try await bus.timeToLive(mailbox) > 0)
      let stored = try await writer.store(MailboxWriter.Item.messages(31...32))
      #expect(stored[0].pushes.map(\.previous) == [offset(30), offset(31)])
    }
  }

  @Test("looks again after each further step of growth, until nothing is left to remove")
  func growth() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless(history: 10))
      let mailbox = bus.keys.mailbox(self.bob)
      _ = try await writer.store(MailboxWriter.Item.messages(1...1))
      #expect(try await eventually { try await bus.timeToLive(mailbox) > 0 })
      #expect(try await eventually { writer.mailboxes.trimming.queue.isEmpty })
      try await bus.setCursor(offset(.max), of: self.bob)
      let step = MessagingLimits.mailboxLookEntries
      _ = try await writer.store(MailboxWriter.Item.messages(2...step))
      #expect(writer.mailboxes.trimming.queue.isEmpty)
      let many = step + 2 * MessagingLimits.entriesPerTrim
      _ = try await writer.store(MailboxWriter.Item.messages(step + 1...many))
      #expect(try await eventually { try await bus.length(mailbox) == 10 })
    }
  }

  @Test("goes by what it could not read: another writer's entries break the chain, no wrong one")
  func otherWriter() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless(history: 10))
      let other = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let mailbox = bus.keys.mailbox(self.bob)
      try await bus.setCursor(offset(.max), of: self.bob)
      _ = try await writer.store(MailboxWriter.Item.messages(1...20))
      // As many as the trimming removes, so that the length alone would say nothing.
      _ = try await other.store(MailboxWriter.Item.messages(21...30))
      #expect(try await eventually { try await bus.length(mailbox) == 10 })
      let stored = try await writer.store(MailboxWriter.Item.messages(31...32))
      #expect(stored[0].pushes[0].previous == .zero)
      writer.stop()
      other.stop()
    }
  }

  @Test("waits with that for the end of a batch, and the chain goes on")
  func duringBatch() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        let writer = MailboxWriter(
          keys: bus.keys, client: bus.client, limits: .ageless(history: 1))
        let mailbox = bus.keys.mailbox(self.bob)
        try await bus.setCursor(offset(.max), of: self.bob)
        var last = 0
        repeat {
          _ = try await writer.store(MailboxWriter.Item.messages(last + 1...last + 5))
          last += 5
          // Fired below, so that it is during the batch. On a busy machine it may have been before this.
        } while writer.trimTimer == nil
        writer.trimTimer?.cancel()
        _ = try await server.command("CLIENT", "PAUSE", "60000", "WRITE")
        let next = last + 1
        let storing = Task {
          _ = bus
          return try await writer.store(MailboxWriter.Item.messages(next...next + 3))[0].pushes
        }
        #expect(try await eventually { writer.mailboxes.trimming.isStoring })
        writer.carryOut(writer.mailboxes.trimming.timerFired())
        #expect(writer.mailboxes.trimming.phase == .due)
        _ = try await server.command("CLIENT", "UNPAUSE")
        let previous = (last...last + 3).map { offset(UInt64($0)) }
        #expect(try await storing.value.map(\.previous) == previous)
        #expect(try await eventually { try await bus.length(mailbox) == 1 })
        #expect(try await eventually { writer.mailboxes.trimming.phase == .idle })
        let stored = try await writer.store(MailboxWriter.Item.messages(last + 5...last + 5))
        #expect(stored[0].pushes.map(\.previous) == [offset(UInt64(last + 4))])
      }
    }
  }

  @Test("leaves nothing behind when it is stopped")
  func stopped() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless(history: 0))
      _ = try await writer.store(MailboxWriter.Item.messages(1...5))
      #expect(writer.trimTimer != nil)
      writer.stop()
      #expect(writer.trimTimer == nil)
      #expect(writer.mailboxes.trimming.queue.isEmpty)
      _ = try await writer.store(MailboxWriter.Item.messages(6...9))
      #expect(writer.trimTimer == nil)
      #expect(writer.mailboxes.trimming.queue.isEmpty)
    }
  }

  @Test(
    "puts off a mailbox's expiry with the first write, not only with the look that may never come")
  func expiry() async throws {
    try await Bus.run { bus in
      let limits = MailboxLimits(retentionSeconds: 1_000)
      let seconds = 1_000 + BusLimits.mailboxExpirySlackSeconds
      for number in 1...2 {
        // Another owner each time, which stops before it looks after anything.
        let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: limits)
        try await bus.setCursor(.zero, of: self.bob)
        _ = try await writer.store(MailboxWriter.Item.messages(number...number))
        writer.stop()
        for key in [bus.keys.mailbox(self.bob), bus.keys.cursor(self.bob)] {
          let left = try await bus.timeToLive(key)
          #expect((seconds - 60...seconds).contains(left))
          _ = try await bus.command("EXPIRE", "\(key)", "5000")
        }
      }
    }
  }

  @Test("queues each mailbox once, in order, within a bound")
  func queue() {
    var queue = TrimQueue(capacity: 4)
    let users = (0..<6).map { UserName("u\($0)")! }
    var isQueued: [Bool] = []
    for user in users + [users[0]] { isQueued.append(queue.insert(user)) }
    #expect(isQueued == [true, true, true, true, false, false, true])
    var next = queue.next(3)
    #expect(next == Array(users[..<3]))
    isQueued = [queue.insert(users[4]), queue.insert(users[0])]
    #expect(isQueued == [true, true])
    next = queue.next(10)
    #expect(next == [users[3], users[4], users[0]])
    #expect(queue.isEmpty)
    next = queue.next(1)
    #expect(next.isEmpty)
    // Never quite empty, it goes on in order.
    _ = queue.insert(users[0])
    for round in 0..<100 {
      let isInserted = queue.insert(users[(round + 1) % 6])
      #expect(isInserted)
      next = queue.next(1)
      #expect(next == [users[round % 6]])
    }
  }
}
