import BusTestSupport
import ConnectProtocol
import ConnectTestStand
import ServiceMetrics
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging

/// An entry of a sender's log, as far as tests look at it.
private struct LogEntry: Hashable {
  let kind: Envelope.Kind
  let peer: String
  let id: String
  let body: String
  var peerOffset: Offset?
  var at: UInt64?
  var flags: Envelope.Flags.RawValue = 0
}

extension TestStand {
  /// All that is in a mailbox.
  ///
  /// - Parameter ignored: flags that are left out. A copy whose batch takes over a second, as on a busy
  ///   machine, has ``Envelope/Flags/retry``.
  fileprivate func log(
    of user: String = "alice", ignoring ignored: Envelope.Flags = .relocated
  ) async throws -> [LogEntry] {
    let mailbox = self.keys.mailbox(UserName(user)!)
    let entries = try await self.redis.client.value {
      $0.entries(of: mailbox, after: .zero, maximum: 1_000)
    }
    return entries.map(Mailbox.Entry.init).compactMap { entry in
      entry.envelope.map {
        LogEntry(
          kind: $0.kind, peer: $0.fromText, id: $0.idText, body: $0.bodyText,
          peerOffset: $0.original?.peerOffset, at: $0.original?.at,
          flags: $0.flags.subtracting(ignored).rawValue)
      }
    }
  }

  fileprivate func publish(
    _ id: String, to: String = "bob", body: String, flags: Envelope.Flags
  ) async throws -> Offset {
    let answer = try await self.redis(
      "XADD", "\(self.incoming(to))", "*", "m",
      ByHand.envelope(id, to: to, body: body, flags: flags.rawValue))
    return try #require(answer.string.flatMap { Offset($0) })
  }

  fileprivate func waitUntilCopied(from recipients: String...) async throws {
    for user in recipients { try await self.waitUntilProcessed(user) }
    try await self.waitUntilProcessed("alice")
  }
}

@Suite("The copy of a message", .timeLimit(.minutes(20)))
struct CopyTests {
  private func copy(
    _ id: String, of peer: String = "bob", body: String = "1", at place: Offset,
    sent: Offset? = nil, flags: Envelope.Flags = []
  ) -> LogEntry {
    LogEntry(
      kind: .sent, peer: peer, id: id, body: body, peerOffset: place,
      at: (sent ?? place).milliseconds, flags: flags.rawValue)
  }

  @Test("is in its sender's log where that was asked for, with its place and time")
  func asked() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      let first = try await stand.publish("m1", body: "[1]", flags: .copy)
      _ = try await stand.publish("m2", body: "2", flags: .receipt)
      let third = try await stand.publish("m3", body: "3", flags: [.copy, .quiet])
      try await stand.waitUntilCopied(from: "bob")
      #expect(
        try await stand.log(ignoring: [.relocated, .retry]) == [
          self.copy("m1", body: "[1]", at: first),
          self.copy("m3", body: "3", at: third, flags: .quiet),
        ])
      let offsets = try await stand.messages().map(\.offset)
      #expect([offsets.first, offsets.last] == [first, third])
    }
  }

  @Test("comes in the order of the recipient's mailbox, as the others do")
  func order() async throws {
    try await TestStand.withoutMessaging { stand in
      var expected: [Offset] = []
      for number in 0..<100 {
        expected.append(try await stand.publish("m\(number)", body: "1", flags: .copy))
        _ = try await stand.publish("c\(number)", to: "carol", body: "1", flags: .copy)
      }
      try await stand.startMessaging()
      try await stand.waitUntilCopied(from: "bob", "carol")
      let log = try await stand.log()
      #expect(log.count == 200)
      #expect(log.filter { $0.peer == "bob" }.map(\.peerOffset) == expected)
      #expect(try await stand.messages().map(\.offset) == expected)
    }
  }

  @Test("of a repeat that is recognised has the place, time and body of the first, and comes once")
  func repeated() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      let first = try await stand.publish("m1", body: "1", flags: [])
      try await stand.waitUntilCopied(from: "bob")
      #expect(try await stand.log().isEmpty)
      for _ in 0..<3 {
        _ = try await stand.publish("m1", body: "2", flags: [.copy, .retry])
        try await stand.waitUntilCopied(from: "bob")
        #expect(try await stand.log() == [self.copy("m1", at: first, flags: .retry)])
      }
      #expect(try await stand.messages().map(\.body) == ["1"])
    }
  }

  @Test("comes unasked where its sender wants a receipt and was told another place")
  func relocated() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      let mailbox = "\(stand.keys.mailbox(UserName("bob")!))"
      try await stand.redis("XADD", mailbox, "9000000000000-7", "?", "?")
      let sent = try await stand.publish("m1", body: "1", flags: .receipt)
      _ = try await stand.publish("m2", body: "1", flags: [])
      try await stand.waitUntilCopied(from: "bob")
      let stored = try await stand.messages()
      #expect(stored.map(\.isRelocated) == [true, true])
      #expect(
        try await stand.log()
          == [self.copy("m1", at: stored[0].offset, sent: sent, flags: .retry)])
    }
  }

  @Test("comes unasked of a repeat whose sender wants a receipt, with the place of the first")
  func repeatedWithReceipt() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      let first = try await stand.publish("m1", body: "1", flags: .receipt)
      _ = try await stand.publish("m1", body: "1", flags: [.receipt, .retry])
      _ = try await stand.publish("m1", body: "1", flags: .retry)
      try await stand.waitUntilCopied(from: "bob")
      #expect(try await stand.log() == [self.copy("m1", at: first, flags: .retry)])
    }
  }

  @Test("comes before the failure of what its mailbox has no room for, once if both come twice")
  func full() async throws {
    var options = TestStand.Options(gateways: 0)
    options.configureMessaging = { $0.mailboxes.entries = 3 }
    try await TestStand.with(options) { stand in
      let alice = UserName("alice")!
      try await stand.redis("HSET", "\(stand.keys.cursor(alice))", "phone", "0-0 0")
      for number in 0..<3 { _ = try await stand.publish("m\(number)", body: "1", flags: []) }
      let offset = try await stand.publish("m3", body: "2", flags: .copy)
      try await stand.waitUntilCopied(from: "bob")
      let copy = self.copy("m3", body: "2", at: offset, flags: [.retry, .unstored])
      let failure = LogEntry(kind: .failed, peer: "bob", id: "m3", body: "mailbox_full")
      #expect(try await stand.log() == [copy, failure])

      let incoming = stand.keys.incoming(stand.keys.partitions.partition(for: alice))
      let mailbox = stand.keys.mailbox(alice)
      let stored = try await stand.redis.client.value {
        $0.entries(of: mailbox, after: .zero, maximum: 10)
      }
      for entry in stored {
        let bytes = try #require(entry.payload?.array)
        _ = try await stand.redis.client.value {
          $0.addEntry(to: incoming, count: bytes.count) { $0.copyBytes(from: bytes) }
        }
      }
      try await stand.waitUntilCopied()
      #expect(try await stand.log() == [copy, failure, failure])
    }
  }

  @Test("is lost where its sender's own mailbox is full, and the message is not")
  func lost() async throws {
    var options = TestStand.Options(gateways: 0)
    options.configureMessaging = { $0.mailboxes.entries = 2 }
    let metrics = MetricsStore()
    options.metrics = metrics
    try await TestStand.with(options) { stand in
      try await stand.redis("HSET", "\(stand.keys.cursor(UserName("alice")!))", "phone", "0-0 0")
      for recipient in ["bob", "carol", "dora"] {
        _ = try await stand.publish("m", to: recipient, body: "1", flags: .copy)
        try await stand.waitUntilCopied(from: recipient)
      }
      #expect(try await stand.log().map(\.peer) == ["bob", "carol"])
      #expect(try await stand.messages(of: "dora").map(\.id) == ["m"])
      #expect(try await stand.log(of: "dora").map(\.kind) == [.message])
      #expect(try await stand.redis.entries(of: stand.keys.deadLetters).isEmpty)
      let lines = PrometheusText.page(of: metrics).split(separator: "\n")
      #expect(lines.contains("connect_copies_total 3"))
      #expect(lines.contains("connect_copies_lost_total 1"))
      #expect(lines.contains(#"connect_failed_total{code="mailbox_full"} 0"#))
    }
  }

  @Test("is published once, however often its batch comes again")
  func batchAgain() async throws {
    let metrics = MetricsStore()
    var options = TestStand.Options(gateways: 0)
    options.hasMessaging = false
    options.partitions = 1
    options.metrics = metrics
    try await TestStand.with(options) { stand in
      // Tried five times, and then set aside.
      try await stand.redis("SET", "\(stand.keys.mailbox(UserName("carol")!))", "no stream")
      let first = try await stand.publish("m1", body: "1", flags: .copy)
      _ = try await stand.publish("m2", to: "carol", body: "1", flags: [])
      try await stand.startMessaging()
      try await eventually("the other one is set aside") {
        try await stand.redis.length(of: stand.keys.deadLetters) == 1
      }
      try await stand.waitUntilCopied(from: "bob")
      let log = try await stand.log(ignoring: [.relocated, .retry])
      #expect(log == [self.copy("m1", at: first)])
      let stream = try await stand.redis("XINFO", "STREAM", "\(stand.incoming("alice"))")
      #expect(stream["entries-added"] == .integer(3))
      #expect(PrometheusText.page(of: metrics).contains("\nconnect_copies_total 1\n"))
    }
  }

  @Test("is none of a message to oneself")
  func oneself() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      _ = try await stand.publish("m1", to: "alice", body: "1", flags: [.copy, .receipt])
      try await stand.waitUntilCopied()
      _ = try await stand.publish("m1", to: "alice", body: "1", flags: [.copy, .retry])
      try await stand.waitUntilCopied()
      #expect(try await stand.log().map(\.kind) == [.message])
    }
  }

  @Test("is due again of what the bus gives again, even where the recipient has removed it")
  func removed() async throws {
    try await Bus.run { bus in
      let bob = UserName("bob")!
      let items = (1...5).map { number in
        MailboxWriter.Item.message(offset(number), id: "m\(number)", flags: .copy)
      }
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let stored = try await writer.store(items)
      #expect(stored[0].originals.map(\.peerOffset) == (1...5).map { offset($0) })
      #expect(stored[0].originals.allSatisfy { !$0.mayBeCopied })
      try await bus.setCursor(offset(5), of: bob)
      #expect(try await bus.trim(bob, .ageless(history: 2)).removed == 3)
      let paused = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let again = try await paused.store(items, seenBefore: offset(5))
      #expect(again.flatMap(\.pushes).map(\.offset) == [offset(4), offset(5)])
      let originals = again.flatMap(\.originals)
      #expect(Set(originals.map(\.peerOffset)) == Set((1...5).map { offset($0) }))
      #expect(originals.count == 5)
      #expect(originals.allSatisfy { $0.mayBeCopied })
    }
  }
}
