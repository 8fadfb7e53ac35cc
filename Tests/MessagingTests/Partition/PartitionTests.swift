import ConnectProtocol
import ConnectTestStand
import MessageBus
import Messaging
import Redis
import TestSupport
import Testing

@Suite("A partition goes on")
struct PartitionTests {
  @Test("after entries that nobody can read; they are kept, with the reason and where they were")
  func poison() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      let incoming = "\(try stand.incoming("bob"))"
      let poison: [[String]] = [
        ["m", ""], ["m", "hello"], ["m", ByHand.envelope("1", version: 2)],
        ["m", ByHand.envelope("1", kind: 99)], ["m", ByHand.envelope("1", to: "no name")],
        ["m", ByHand.envelope("", to: "bob")], ["a", "b", "c", "d"],
      ]
      var expected: [String] = []
      for (number, fields) in poison.enumerated() {
        let answer = try await stand.redis.execute(["XADD", incoming, "*"] + fields)
        expected.append("\(incoming) \(answer.string ?? "")")
        try await stand.publish("good\(number)")
      }
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages().map(\.id) == poison.indices.map { "good\($0)" })
      let letters = try await stand.redis.entries(of: stand.keys.deadLetters)
      #expect(letters.map { $0.fields["origin"] } == expected)
      #expect(letters.allSatisfy { $0.fields["reason"]?.isEmpty == false })
      #expect(letters.prefix(6).map { $0.fields["m"] } == poison.prefix(6).map { $0[1] })
    }
  }

  /// Repaired as text, such an id is three times as long as it may be.
  @Test("after a message whose mailbox does not take it, and whose id is not text; nobody is told")
  func idIsNoText() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      try await stand.redis("SET", "\(stand.keys.mailbox(UserName("bob")!))", "x")
      try await stand.redis("HSET", "\(stand.keys.cursor(UserName("alice")!))", "phone", "0-0 0")
      let header: [UInt8] = [1, 1, 0, 5, 3, 255]
      let bytes = header + Array("alicebob".utf8) + Array(repeating: 0xff, count: 255) + [0x31]
      var batch = RedisBatch()
      let incoming = try stand.incoming("bob")
      batch.append(arguments: 5, key: incoming, bytes: 512) { writer in
        writer.bulk("XADD")
        writer.bulk(incoming)
        writer.bulk("*")
        writer.bulk("m")
        writer.bulk(count: bytes.count) { $0.copyBytes(from: bytes) }
      }
      try await stand.redis.client.execute(batch).check()
      try await stand.waitUntilProcessed()
      #expect(try await stand.redis.entries(of: stand.keys.deadLetters).count == 1)
      #expect(try await stand.messages(of: "alice").isEmpty)
    }
  }

  @Test("after a mailbox, or a session, that is something else in Redis")
  func wrongType() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      let partition = stand.keys.partitions.partition(for: UserName("bob")!)
      let others = (0..<100).map { "user\($0)" }
        .filter { stand.keys.partitions.partition(for: UserName($0)!) == partition }
      let (first, second) = (others[0], others[1])
      try await stand.redis("SET", "\(stand.keys.mailbox(UserName(first)!))", "x")
      try await stand.redis("SET", "\(stand.keys.session(UserName(second)!))", "x")
      try await stand.publish("1", to: first)
      try await stand.publish("1", to: second)
      try await stand.publish("1")
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages().map(\.id) == ["1"])
      #expect(try await stand.messages(of: second).map(\.id) == ["1"])
      let letters = try await stand.redis.entries(of: stand.keys.deadLetters)
      #expect(letters.map { $0.fields["m"] } == [ByHand.envelope("1", to: first)])
      #expect(letters.first?.fields["reason"]?.contains("WRONGTYPE") == true)
    }
  }

  @Test("after what a mailbox refuses: kept once, however often its sender cannot be told")
  func setAsideOnce() async throws {
    let log = EventLog()
    var options = TestStand.Options(gateways: 0)
    options.logger = log.logger
    try await TestStand.with(options) { stand in
      // The bus of the sender is something else in Redis.
      let bus = "\(try stand.incoming("alice"))"
      try #require(try stand.incoming("alice") != stand.incoming("bob"))
      try await stand.redis("DEL", bus)
      try await stand.redis("SET", bus, "x")
      try await stand.redis("HSET", "\(stand.keys.cursor(UserName("alice")!))", "phone", "0-0 0")
      try await stand.redis("SET", "\(stand.keys.mailbox(UserName("bob")!))", "x")
      try await stand.publish("1")
      try await eventually("its sender could not be told twice") {
        log.count("consumer.handle_failed") >= MessagingLimits.attempts + 1
      }
      try await stand.redis("DEL", bus)
      try await stand.waitUntilProcessed()
      #expect(try await stand.redis.entries(of: stand.keys.deadLetters).count == 1)
      try await eventually("the sender is told") {
        try await stand.redis.entries(of: stand.keys.mailbox(UserName("alice")!)).count == 1
      }
    }
  }

  @Test("after what a mailbox refuses, and logs it by its id")
  func logsFailures() async throws {
    let log = EventLog("code", "kind", "id")
    var options = TestStand.Options(gateways: 0)
    options.logger = log.logger
    try await TestStand.with(options) { stand in
      try await stand.redis("SET", "\(stand.keys.mailbox(UserName("bob")!))", "x")
      try await stand.publish("m-1")
      try await stand.waitUntilProcessed()
      let failures = log.events.filter { $0.hasPrefix("messaging.failed") }
      #expect(failures == ["messaging.failed unprocessable message m-1"])
    }
  }

  @Test("with what its predecessor had read and not finished, in order, before anything newer")
  func pending() async throws {
    try await TestStand.withoutMessaging { stand in
      let incoming = "\(try stand.incoming("bob"))"
      var offsets: [Offset] = []
      for number in 0..<400 { offsets.append(try await stand.publish("m\(number)")) }
      try await stand.redis("XGROUP", "CREATE", incoming, "messaging", "0")
      for consumer in ["messaging", "another"] {
        try await stand.redis(
          "XREADGROUP", "GROUP", "messaging", consumer, "COUNT", "150", "STREAMS", incoming, ">")
      }
      try await stand.startMessaging()
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages().map(\.offset) == offsets)
    }
  }

  @Test("after an entry that was deleted while it was pending")
  func deletedPending() async throws {
    try await TestStand.withoutMessaging { stand in
      let incoming = "\(try stand.incoming("bob"))"
      var offsets: [Offset] = []
      for number in 0..<5 { offsets.append(try await stand.publish("m\(number)")) }
      try await stand.redis("XGROUP", "CREATE", incoming, "messaging", "0")
      try await stand.redis(
        "XREADGROUP", "GROUP", "messaging", "messaging", "COUNT", "3", "STREAMS", incoming, ">")
      try await stand.redis("XDEL", incoming, "\(offsets[1])")
      try await stand.startMessaging()
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages().map(\.id) == ["m0", "m2", "m3", "m4"])
    }
  }

  @Test("when its stream is deleted: what comes afterwards is processed from the first")
  func streamDeleted() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      let incoming = "\(try stand.incoming("bob"))"
      for round in 0..<5 {
        for number in 0..<20 { try await stand.publish("\(round).\(number)") }
        try await stand.waitUntilProcessed()
        try await stand.redis("DEL", incoming)
      }
      #expect(try await stand.messages().count == 100)
    }
  }

  @Test("when its stream is lost together with a clock that was ahead: nothing new is removed")
  func clockBack() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      let incoming = "\(try stand.incoming("bob"))"
      let now = try await stand.publish("before")
      try await stand.waitUntilProcessed()
      let ahead = Offset(milliseconds: now.milliseconds + 3_600_000, sequence: 0)
      try await stand.redis("XADD", incoming, "\(ahead)", "m", ByHand.envelope("ahead"))
      try await eventually("the entry from ahead is stored") {
        try await stand.messages().count == 2
      }
      try await stand.redis("DEL", incoming)
      for number in 0..<500 { try await stand.publish("m\(number)") }
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages().dropFirst(2).map(\.id) == (0..<500).map { "m\($0)" })
    }
  }

  @Test("when it is full: entries that are finished are removed, in time")
  func trimmed() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      for number in 0..<1_000 { try await stand.publish("m\(number)") }
      try await stand.waitUntilProcessed()
      try await eventually("the bus is empty") {
        try await stand.redis.length(of: stand.incoming("bob")) == 0
      }
      #expect(try await stand.messages().count == 1_000)
    }
  }

  @Test("and forgets the sessions of gateways that are gone, and no others")
  func staleSessions() async throws {
    try await TestStand.with { stand in
      let bob = try await stand.online("bob", device: "here")
      let session = "\(stand.keys.session(UserName("bob")!))"
      try await stand.redis("HSET", session, "gone", "g99/1", "odd", "no session")
      let alice = try await stand.online("alice")
      alice.sendMessage("1", to: "bob")
      #expect(try await bob.expectMessage().id == "1")
      try await eventually("the stale session is gone") {
        try await stand.session("bob", device: "gone") == nil
      }
      #expect(try await stand.session("bob", device: "here") != nil)
      #expect(try await stand.redis("EXISTS", "connect:outgoing:{g99}") == .integer(0))
    }
  }

  @Test("while its owners change again and again: nothing is lost, and nothing is stored twice")
  func changingOwners() async throws {
    var options = TestStand.Options(gateways: 2)
    options.configure = { $0.sendsPerSecond = 0 }
    options.partitions = 1
    try await TestStand.with(options) { stand in
      let thief = Task {
        for round in 0..<20 {
          // By its name it comes first, and so takes the only partition away.
          let other = try await stand.startMessaging(id: "a\(round)")
          try await stand.waitUntilOwner("a\(round)")
          if round % 2 == 0 {
            // And loses it without notice.
            let lease = "\(stand.keys.lease(stand.keys.partitions.all[0]))"
            try await stand.redis("SET", lease, "nobody:1", "PX", "50")
          }
          try await other.stop()
        }
      }
      let senders = 4
      let each = 500
      let bob = try await stand.online("bob")
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for sender in 0..<senders {
          tasks.addTask {
            let socket = try await stand.online("sender\(sender)", gateway: sender % 2)
            for number in 0..<each { socket.sendMessage("\(number)", to: "bob") }
            for number in 0..<each { try await socket.expectAccepted("\(number)") }
          }
        }
        try await tasks.waitForAll()
      }
      try await thief.value
      try await eventually("all is stored") {
        try await stand.messages().count >= senders * each
      }
      try await stand.waitUntilProcessed()
      let stored = try await stand.messages().map { "\($0.from) \($0.id)" }
      #expect(stored.count == senders * each)
      #expect(Set(stored).count == senders * each)

      var seen: [String] = []
      while seen.count < senders * each {
        let message = try await bob.expectMessage()
        seen.append("\(message.from) \(message.id)")
        if seen.count % 100 == 0 { bob.ack(message.offset) }
      }
      #expect(seen == stored, "a device sees the mailbox's order")
      try await bob.expectOpen()
    }
  }
}
