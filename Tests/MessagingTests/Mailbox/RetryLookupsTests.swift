import BusTestSupport
import ConnectProtocol
import Foundation
import LocalRedis
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging
@testable import Redis

@Suite("Look-ups for what a client sent before", .timeLimit(.minutes(20)))
struct RetryLookupsTests {
  private let bob = UserName("bob")!

  private func retry(_ number: Int, _ id: String, to: String = "bob") -> MailboxWriter.Item {
    .message(offset(UInt64(number)), to: to, id: id, flags: .retry)
  }

  private func search(_ user: String = "bob") -> RetrySearch {
    RetrySearch([self.retry(1_000_000, "x", to: user)], isSought: [true], in: UserName(user)!)
  }

  /// As many large entries as are asked for, from `top` down.
  private func answer(
    _ ask: RetryLookups.Ask, bytes: Int, below top: inout Int
  ) -> [Mailbox.Entry] {
    defer { top -= ask.question.count }
    return (0..<ask.question.count).map {
      let item = MailboxWriter.Item.large(
        offset(UInt64(top - $0)), bytes: bytes, id: "m\(top - $0)")
      return Mailbox.Entry(offset: item.offset, envelope: item.envelope)
    }
  }

  // MARK: Decisions

  @Test("end at their bytes, about, however large entries are", arguments: [300, 5_000, 20_000])
  func bytes(size: Int) {
    var lookups = RetryLookups([self.search()])
    var top = 900_000
    var entries = 0
    while true {
      let asks = lookups.next(elapsedMilliseconds: 0)
      guard let ask = asks.first else { break }
      #expect(asks.count == 1)
      #expect(ask.question.count <= MessagingLimits.retryPortionEntries)
      entries += ask.question.count
      lookups.read([self.answer(ask, bytes: size, below: &top)], to: asks)
    }
    #expect(lookups.bytes <= MessagingLimits.retryBytes + size + 100)
    if size == 300 {
      #expect(entries == MessagingLimits.retryWindowEntries && lookups.cut == 0)
    } else {
      #expect(entries >= MessagingLimits.retryBytes / (size + 100) && lookups.cut == 1)
    }
  }

  @Test("end when their time is over, but not before one portion was read")
  func time() {
    var lookups = RetryLookups([self.search()])
    var top = 900_000
    let limit = MessagingLimits.retryMilliseconds
    for elapsed in [limit + 1, limit - 1] {
      let asks = lookups.next(elapsedMilliseconds: elapsed)
      #expect(asks.count == 1)
      lookups.read([self.answer(asks[0], bytes: 10, below: &top)], to: asks)
    }
    #expect(lookups.next(elapsedMilliseconds: limit).isEmpty)
    #expect(lookups.cut == 1)
    #expect(lookups.searches[0].known.map { $0 != nil } == [false])
  }

  @Test("take turns: one mailbox of large entries leaves something for the others")
  func turns() {
    let count = BusLimits.entriesPerRead
    var lookups = RetryLookups((0..<count).map { self.search("user\($0)") })
    var top = 900_000
    var entries = Array(repeating: 0, count: count)
    while true {
      let asks = lookups.next(elapsedMilliseconds: 0)
      guard !asks.isEmpty else { break }
      #expect(asks.reduce(0) { $0 + $1.question.count } <= MessagingLimits.retryPortionEntries)
      let answers = asks.map { ask in
        entries[ask.search] += ask.question.count
        return self.answer(ask, bytes: ask.search == 0 ? 60_000 : 300, below: &top)
      }
      lookups.read(answers, to: asks)
    }
    #expect(entries.allSatisfy { $0 >= MessagingLimits.retryEntriesPerMailbox })
    #expect(lookups.cut == count)
  }

  @Test("come last, with all that the recipient gets, in order")
  func parts() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let items = [
        MailboxWriter.Item.message(offset(1), id: "a"),
        .message(offset(2), to: "carol", id: "a"), self.retry(3, "b"),
        .message(offset(4), id: "c"), .message(offset(5), to: "carol", id: "b"),
      ]
      #expect(
        writer.parts(of: items).map { $0.map(\.offset) }
          == [[offset(2), offset(5)], [offset(1), offset(3), offset(4)]])
      #expect(writer.parts(of: [items[1], items[4]]).map(\.count) == [2])
      #expect(writer.parts(of: [items[2]]).map(\.count) == [1])
      #expect(writer.parts(of: []).isEmpty)
      for part in writer.parts(of: items) { _ = try await writer.store(part) }
      // An original that comes after its repeat is looked up, too.
      let late = MailboxWriter.Item.message(offset(6), id: "b")
      #expect(writer.parts(of: [late, .message(offset(7), to: "carol", id: "c")]).count == 2)
    }
  }

  @Test("are remembered within a bound, the newest always")
  func remembered() {
    var mailboxes = SearchedMailboxes(capacity: 200)
    for number in 0..<500 {
      let entries = (0...number % 40).map {
        SearchedMailboxes.Entry(hash: $0, offset: offset(UInt64($0)))
      }
      let user = UserName("u\(number % 30)")!
      let window = SearchedMailboxes.Window(entries: entries, isWhole: true)
      mailboxes.insert(window, for: user)
      #expect(mailboxes[user] == window)
      #expect(mailboxes.entryCount <= 200)
    }
    mailboxes.removeAll()
    #expect(mailboxes.entryCount == 0)
  }

  // MARK: What they cost Redis

  /// The bytes that a private server has sent so far, and the number of XREVRANGE it was asked for.
  private func cost(_ server: LocalRedisServer) async throws -> (bytes: Int, reads: Int) {
    func number(_ section: String, after name: String) async throws -> Int {
      let text = try await server.command("INFO", section).string ?? ""
      let parts = text.components(separatedBy: name)
      return parts.count > 1 ? Int(parts[1].prefix { $0.isNumber }) ?? 0 : 0
    }
    return (
      try await number("stats", after: "total_net_output_bytes:"),
      try await number("commandstats", after: "cmdstat_xrevrange:calls=")
    )
  }

  private func fill(_ bus: isolated Bus, _ count: Int, bytes: Int) async throws {
    for start in stride(from: 1, through: count, by: 64) {
      var batch = RedisBatch()
      for number in start..<min(start + 64, count + 1) {
        let item = MailboxWriter.Item.large(
          offset(UInt64(number)), bytes: bytes, id: "m\(number)")
        _ = item.envelope.bytes.withUnsafeBytes { raw in
          batch.addEntry(to: bus.keys.mailbox(self.bob), at: item.offset, count: raw.count) {
            $0.copyMemory(from: raw)
          }
        }
      }
      try await bus.client.execute(batch).check()
    }
  }

  @Test("read a few MiB of a mailbox of large entries once, and then what came since")
  func cost() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        let window = MessagingLimits.retryWindowEntries
        try await self.fill(bus, window, bytes: 20_000)
        let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
        var bytes: [Int] = []
        var reads: [Int] = []
        for number in 0..<20 {
          let before = try await self.cost(server)
          let stored = try await writer.store([self.retry(10_000 + number, "new\(number)")])
          #expect(stored[0].pushes.count == 1)
          let after = try await self.cost(server)
          bytes.append(after.bytes - before.bytes)
          reads.append(after.reads - before.reads)
        }
        #expect(bytes.allSatisfy { $0 < MessagingLimits.retryBytes + 128 * 1024 }, "\(bytes)")
        #expect(reads.allSatisfy { $0 <= 12 }, "\(reads)")
        // The first ones get to the end of the window, step by step.
        #expect(bytes.reduce(0, +) < window * 21_000, "\(bytes)")
        #expect(bytes.suffix(5).allSatisfy { $0 < 64 * 1024 }, "\(bytes)")
        let tally = writer.takeTally()
        #expect(tally.lookups == 20)
        #expect((1..<15).contains(tally.cutLookups))
        #expect(tally.lookupBytes < window * 21_000)
      }
    }
  }

  // MARK: What they find

  @Test("find all that a client leaves unanswered, of 15 KiB each")
  func unanswered() async throws {
    try await Bus.run { bus in
      try await self.fill(bus, 256, bytes: 15 * 1_024)
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      for start in [0, 128] {
        let batch = (1...128).map { self.retry(1_000 + start + $0, "m\(start + $0)") }
        #expect(try await writer.store(batch).isEmpty)
      }
      #expect(writer.takeTally().clientRepeats == 256)
    }
  }

  @Test("get as far down in several batches as their entries are many")
  func deeper() async throws {
    try await Bus.run { bus in
      try await self.fill(bus, 256, bytes: 60 * 1_024)
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      for number in 0..<3 {
        #expect(try await writer.store([self.retry(1_000 + number, "n\(number)")]).count == 1)
      }
      #expect(try await writer.store([self.retry(2_000, "m2")]).isEmpty)
      #expect(try await writer.store([self.retry(2_001, "m1")]).isEmpty)
    }
  }

  @Test("store again what a mailbox has lost since it was read")
  func lost() async throws {
    try await Bus.run { bus in
      try await self.fill(bus, 20, bytes: 10)
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      #expect(try await writer.store([self.retry(100, "m7")]).isEmpty)
      #expect(try await writer.store([self.retry(101, "m7")]).isEmpty)
      _ = try await bus.command("XDEL", "\(bus.keys.mailbox(self.bob))", "7-0")
      #expect(try await writer.store([self.retry(102, "m7")])[0].pushes.count == 1)
      #expect(try await writer.store([self.retry(103, "m7")]).isEmpty)
    }
  }

  @Test("forget what they have read when a batch fails")
  func failed() async throws {
    try await Bus.run { bus in
      try await self.fill(bus, 20, bytes: 10)
      let client = try await bus.makeClient()
      let writer = MailboxWriter(keys: bus.keys, client: client, limits: .ageless)
      #expect(try await writer.store([self.retry(100, "new")]).count == 1)
      #expect(writer.searchedMailboxes.entryCount == 20)
      try await client.close().get()
      #expect(await writer.failure(of: [self.retry(101, "m1")]) != nil)
      #expect(writer.searchedMailboxes.entryCount == 0)
    }
  }
}
