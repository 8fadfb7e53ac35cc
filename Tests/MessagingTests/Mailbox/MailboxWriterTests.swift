import BusTestSupport
import ConnectProtocol
import Redis
import SeededRandom
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging

@Suite("The mailbox writer", .timeLimit(.minutes(20)))
struct MailboxWriterTests {
  private let bob = UserName("bob")!

  private func item(
    _ at: Offset, from: String = "alice", to: String = "bob", id: String,
    flags: Envelope.Flags = []
  ) -> MailboxWriter.Item {
    MailboxWriter.Item(
      offset: at,
      envelope: Envelope.Draft.message(from: from, to: to, id: id, flags: flags).envelope)!
  }

  private func items(_ numbers: some Sequence<Int>, to: String = "bob") -> [MailboxWriter.Item] {
    numbers.map { self.item(offset(UInt64($0)), to: to, id: "m\($0)") }
  }

  /// `previous>offset` of each push.
  private func chain(_ stored: [MailboxWriter.Stored]) -> [String] {
    stored.flatMap(\.pushes).map { "\($0.previous.milliseconds)>\($0.offset.milliseconds)" }
  }

  private func ids(_ pushes: [MailboxPush]) -> [String] {
    pushes.map { push in
      var id: String?
      push.payload.withUnsafeBytes { id = Envelope(ReplyBytes(Array($0)))?.idText }
      return id ?? "?"
    }
  }

  @Test("stores entries under their bus offsets, as they were, in order")
  func stores() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let batch = self.items(1...3) + self.items(4...5, to: "eve") + self.items(6...6)
      let stored = try await writer.store(batch)
      #expect(stored.map(\.recipient.text) == ["bob", "eve"])
      #expect(stored.allSatisfy { $0.refused.isEmpty && $0.sessions.isEmpty })
      #expect(self.ids(stored[0].pushes) == ["m1", "m2", "m3", "m6"])
      #expect(self.ids(stored[1].pushes) == ["m4", "m5"])
      let mailbox = try await bus.mailbox(self.bob)
      #expect(mailbox.map(\.offset) == [1, 2, 3, 6].map { offset($0) })
      #expect(
        mailbox.map { $0.envelope?.bytes.array }
          == [0, 1, 2, 5].map { batch[$0].envelope.bytes.array })
      #expect(try await writer.store([]).isEmpty)
    }
  }

  @Test("names the offset before each push, from batch to batch")
  func chains() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let first = try await writer.store(self.items(1...3))
      #expect(self.chain(first) == ["0>1", "1>2", "2>3"])
      #expect(self.chain(try await writer.store(self.items(4...4))) == ["3>4"])
      #expect(self.chain(try await writer.store(self.items(7...8))) == ["4>7", "7>8"])
    }
  }

  @Test("names none after somebody else wrote, and goes on naming from there")
  func brokenChain() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let other = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      // A look after the mailbox would tell the writer how long it is now.
      writer.stop()
      _ = try await writer.store(self.items(1...3))
      _ = try await other.store(self.items(4...4))
      #expect(self.chain(try await writer.store(self.items(5...7))) == ["0>5", "0>6", "0>7"])
      let next = self.chain(try await writer.store(self.items(8...9)))
      #expect(next == ["7>8", "8>9"] || next == ["0>8", "8>9"])
      #expect(self.chain(try await writer.store(self.items(10...10))) == ["9>10"])
      // The same when entries were removed.
      _ = try await bus.command("XDEL", "\(bus.keys.mailbox(self.bob))", "2-0")
      #expect(self.chain(try await writer.store(self.items(11...12))) == ["0>11", "0>12"])
    }
  }

  @Test("never names a wrong offset, however writers take turns")
  func chainProperty() async throws {
    try await Bus.run { bus in
      var generator = SplitMix64(seed: 21)
      let writers = [
        MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless),
        MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless, remembering: 2),
      ]
      var next: UInt64 = 1
      var last: [String: Offset] = [:]
      var named = 0
      for _ in 0..<300 {
        var batch: [MailboxWriter.Item] = []
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
          let user = ["bob", "eve", "joe"].randomElement(using: &generator)!
          batch.append(self.item(offset(next), to: user, id: "m\(next)"))
          next += 1
        }
        let writer = writers[Int.random(in: 0...9, using: &generator) == 0 ? 1 : 0]
        for stored in try await writer.store(batch) {
          for push in stored.pushes {
            let before = last[stored.recipient.text] ?? .zero
            if push.previous != .zero {
              named += 1
              if push.previous != before { Issue.record("\(push.previous), not \(before)") }
            }
            last[stored.recipient.text] = push.offset
          }
        }
      }
      #expect(named > 100)
    }
  }

  @Test("stores a batch that comes again once, and pushes it again without naming")
  func repeats() async throws {
    try await Bus.run { bus in
      for round in 0..<3 {
        // A new owner each time, as after a crash.
        let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
        let stored = try await writer.store(self.items(1...5))
        #expect(self.ids(stored[0].pushes) == ["m1", "m2", "m3", "m4", "m5"])
        #expect(stored[0].pushes.map(\.offset) == (1...5).map { offset($0) })
        if round > 0 { #expect(stored[0].pushes.allSatisfy { $0.previous == .zero }) }
        #expect(try await bus.mailbox(self.bob).count == 5)
      }
      // Half of it new.
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let stored = try await writer.store(self.items(4...8))
      #expect(stored[0].pushes.map(\.offset) == (4...8).map { offset($0) })
      #expect(stored[0].pushes.allSatisfy { $0.previous == .zero })
      #expect(try await bus.mailbox(self.bob).map(\.offset) == (1...8).map { offset($0) })
      #expect(writer.takeTally() == MailboxWriter.Tally(stored: 3, busRepeats: 2))
      #expect(writer.takeTally() == MailboxWriter.Tally())
    }
  }

  @Test("puts what never was stored above the top, with its origin, and only once")
  func relocates() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await writer.store([self.item(offset(10, 5), id: "top")])
      for _ in 0..<3 {
        let stored = try await writer.store(
          [
            self.item(offset(3), id: "late", flags: .receipt), self.item(offset(4), id: "later"),
          ])
        #expect(self.ids(stored[0].pushes) == ["late", "later"])
        #expect(stored[0].pushes.map(\.offset) == [offset(10, 6), offset(10, 7)])
        #expect(stored[0].pushes.allSatisfy { $0.previous == .zero })
      }
      let mailbox = try await bus.mailbox(self.bob)
      #expect(mailbox.map { $0.envelope?.idText } == ["top", "late", "later"])
      #expect(
        mailbox.map { $0.envelope?.origin(at: $0.offset) } == [offset(10, 5), offset(3), offset(4)])
      #expect(mailbox.map(\.sentAtMilliseconds) == [10, 3, 4])
      #expect(mailbox[1].envelope?.flags == [.receipt, .relocated])
      #expect(
        writer.takeTally() == MailboxWriter.Tally(stored: 3, busRepeats: 4, relocated: 2))
    }
  }

  @Test("finds what it put above the top, however far down it is among the newest")
  func findsRelocated() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await writer.store([self.item(offset(10), id: "top")])
      let late = self.item(offset(3), id: "late")
      _ = try await writer.store([late])
      // With them, it is the oldest of those that are looked through, in several portions.
      let above = MessagingLimits.retryWindowEntries - 1
      _ = try await writer.store(self.items(11...10 + above))
      #expect(try await writer.store([late])[0].pushes.map(\.offset) == [offset(10, 1)])
      #expect(try await bus.length(bus.keys.mailbox(self.bob)) == above + 2)
      #expect(writer.takeTally().relocated == 1)
    }
  }

  @Test("pushes in mailbox order when a batch is partly put above the top")
  func relocatesInOrder() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await writer.store([self.item(offset(10), id: "top")])
      let stored = try await writer.store(
        [
          self.item(offset(3), id: "late"), self.item(offset(10), id: "top"),
          self.item(offset(11), id: "new"),
        ])
      #expect(self.ids(stored[0].pushes) == ["top", "new", "late"])
      let offsets = stored[0].pushes.map(\.offset)
      #expect(offsets == [offset(10), offset(11), offset(11, 1)])
      #expect(try await bus.mailbox(self.bob).map(\.offset) == offsets)
    }
  }

  @Test("names none behind an entry that was put above the top, and goes on naming from there")
  func chainBehindRelocated() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await writer.store(self.items(10...10))
      // The second one is written first, and what it was then is not the top.
      let stored = try await writer.store(self.items([3, 11]))
      #expect(self.ids(stored[0].pushes) == ["m11", "m3"])
      #expect(self.chain(try await writer.store(self.items(12...12))) == ["0>12"])
      #expect(self.chain(try await writer.store(self.items(13...13))) == ["12>13"])
    }
  }

  @Test("finds a place above the top of a mailbox that is empty or lost its newest entries")
  func relocatesAboveRemoved() async throws {
    try await Bus.run { bus in
      let mailbox = bus.keys.mailbox(self.bob)
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await writer.store(self.items(8...10))
      _ = try await bus.command("XDEL", "\(mailbox)", "10-0")
      #expect(
        try await writer.store([self.item(offset(3), id: "late")])[0].pushes.map(\.offset)
          == [offset(10, 1)])
      _ = try await bus.command("XTRIM", "\(mailbox)", "MAXLEN", "0")
      #expect(
        try await writer.store([self.item(offset(4), id: "later")])[0].pushes.map(\.offset)
          == [offset(10, 2)])
    }
  }

  @Test("leaves out what a client sends again, in the mailbox or in the batch itself")
  func retries() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await writer.store(self.items(1...3))
      let stored = try await writer.store(
        [
          self.item(offset(4), id: "m1", flags: .retry),  // Sent before.
          self.item(offset(5), id: "m9", flags: .retry),  // Not sent before.
          self.item(offset(6), id: "m9", flags: .retry),  // Sent twice in this batch.
          self.item(offset(7), id: "m2"),  // Does not say that it is a repeat.
          self.item(offset(8), from: "carol", id: "m1", flags: .retry),  // Another sender's.
        ])
      #expect(stored[0].pushes.map(\.offset) == [5, 7, 8].map { offset($0) })
      #expect(try await writer.store([self.item(offset(9), id: "m1", flags: .retry)]).isEmpty)
      let tally = writer.takeTally()
      #expect(tally.stored == 6 && tally.clientRepeats == 3 && tally.lookups == 2)
    }
  }

  @Test("takes a resent message that the bus repeats for what it is")
  func retryRepeatedByBus() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let batch = [
        self.item(offset(1), id: "a", flags: .retry), self.item(offset(2), id: "a", flags: .retry),
        self.item(offset(3), id: "b", flags: .retry),
      ]
      for _ in 0..<3 {
        let stored = try await writer.store(batch)
        #expect(stored[0].pushes.map(\.offset) == [offset(1), offset(3)])
        #expect(try await bus.mailbox(self.bob).map(\.offset) == [offset(1), offset(3)])
      }
      // The same when it had to be put above the top.
      _ = try await writer.store([self.item(offset(20), id: "top")])
      for _ in 0..<3 {
        let stored = try await writer.store([self.item(offset(10), id: "c", flags: .retry)])
        #expect(stored[0].pushes.map(\.offset) == [offset(20, 1)])
      }
    }
  }

  @Test("looks for resent messages among as many of the newest as it says")
  func retryWindow() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let window = MessagingLimits.retryWindowEntries
      _ = try await writer.store(self.items(1...window + 1))
      let inside = self.item(offset(10_000), id: "m2", flags: .retry)
      #expect(try await writer.store([inside]).isEmpty)
      let outside = self.item(offset(10_001), id: "m1", flags: .retry)
      #expect(try await writer.store([outside])[0].pushes.map(\.offset) == [offset(10_001)])
    }
  }

  @Test("refuses what goes to a key of another type, and stores the rest")
  func wrongType() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await bus.command("SET", "\(bus.keys.mailbox(self.bob))", "no stream")
      for round in 0..<2 {
        let first = 1 + 10 * round
        let stored = try await writer.store(
          self.items(first...first + 1) + self.items(first + 2...first + 3, to: "eve"))
        #expect(stored.map(\.recipient.text) == ["bob", "eve"])
        #expect(stored[0].pushes.isEmpty)
        #expect(
          stored[0].refused.map(\.0.offset) == [offset(UInt64(first)), offset(UInt64(first) + 1)])
        #expect(stored[0].refused.allSatisfy { $0.1.code == "WRONGTYPE" })
        #expect(stored[1].pushes.count == 2)
      }
    }
  }

  @Test("brings the recipient's sessions along")
  func sessions() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let session = Session(device: "phone", gateway: InstanceID("g1")!, connection: "c1")
      var batch = RedisBatch()
      _ = SessionRegistry.register(session, in: bus.keys.session(self.bob), to: &batch)
      try await bus.client.execute(batch).check()
      for round in 0..<2 {
        // Once new, once repeated.
        let stored = try await writer.store(self.items(1...2) + self.items(3...3, to: "eve"))
        #expect(stored[0].sessions == [session], "round \(round)")
        #expect(stored[1].sessions.isEmpty)
      }
    }
  }

  @Test("throws when it is not answered, and recognises on the next try what was stored")
  func unanswered() async throws {
    try await Bus.run { bus in
      let client = try await bus.makeClient()
      let writer = MailboxWriter(keys: bus.keys, client: client, limits: .ageless)
      try await client.close().get()
      #expect(await writer.failure(of: self.items(1...2)) != nil)
      let other = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await other.store(self.items(1...1))
      _ = try await other.store(self.items(1...2))
      #expect(try await bus.mailbox(self.bob).count == 2)
    }
  }

  @Test("pages a mailbox from any offset, oldest first")
  func pages() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await writer.store(self.items(1...10))
      try await bus.add("of another form", to: bus.keys.mailbox(self.bob), at: offset(11))
      var seen: [Mailbox.Entry] = []
      while true {
        let page = try await bus.client.value {
          $0.entries(
            of: bus.keys.mailbox(self.bob), after: seen.last?.offset ?? .zero, maximum: 4)
        }.map(Mailbox.Entry.init)
        if page.isEmpty { break }
        #expect(page.count <= 4)
        seen += page
      }
      #expect(seen.map(\.offset) == (1...11).map { offset($0) })
      #expect(seen.last?.envelope == nil)
      #expect(seen.last?.sentAtMilliseconds == 11)
    }
  }
}
