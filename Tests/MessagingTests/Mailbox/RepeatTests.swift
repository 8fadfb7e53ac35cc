import ConnectProtocol
import ConnectTestStand
import MessageBus
import Testing

@Suite("What comes twice")
struct RepeatTests {
  @Test("is stored once, when the bus gives everything again")
  func everythingAgain() async throws {
    try await TestStand.withoutMessaging { stand in
      var offsets: [Offset] = []
      for number in 0..<300 { offsets.append(try await stand.publish("m\(number)")) }
      try await stand.keepBus()
      try await stand.startMessaging()
      try await stand.waitUntilProcessed()
      let before = try await stand.messages()
      #expect(before.map(\.offset) == offsets)
      #expect(before.map(\.id) == (0..<300).map { "m\($0)" })

      for _ in 0..<3 {
        let incoming = "\(try stand.incoming("bob"))"
        try await stand.redis("COPY", "kept:\(incoming)", "again:\(incoming)")
        try await stand.redis("RENAME", "again:\(incoming)", incoming)
        try await stand.waitUntilProcessed()
        #expect(try await stand.messages() == before)
      }
    }
  }

  @Test("is stored once, when its group is destroyed under a running service, again and again")
  func groupDestroyed() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      for number in 0..<200 {
        try await stand.publish("m\(number)")
        if number % 20 == 10 {
          try await stand.destroyGroups()
        }
      }
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages().map(\.id) == (0..<200).map { "m\($0)" })
      #expect(try await stand.redis.length(of: stand.keys.deadLetters) == 0)
    }
  }

  @Test("reaches the device once, when it comes twice while that is connected")
  func connected() async throws {
    try await TestStand.with { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob")
      for number in 0..<50 { alice.sendMessage("m\(number)", to: "bob") }
      for number in 0..<50 {
        try await alice.expectAccepted("m\(number)")
        #expect(try await bob.expectMessage().id == "m\(number)")
      }
      try await stand.destroyGroups()
      alice.sendMessage("after", to: "bob")
      #expect(try await bob.expectMessage().id == "after")
      try await bob.expectOpen()
    }
  }

  // MARK: Below the top

  /// An hour ahead: what clocks that differ, or a failover, can leave in a mailbox.
  private func future(_ offset: Offset, _ number: Int = 0) -> Offset {
    Offset(milliseconds: offset.milliseconds + 3_600_000, sequence: UInt64(number))
  }

  @Test(
    "is stored above the top once, when it was below it and not there, however far below",
    arguments: [1, 10, 1_000])
  func belowTop(ahead: Int) async throws {
    try await TestStand.withoutMessaging { stand in
      var offsets: [Offset] = []
      for number in 0..<5 { offsets.append(try await stand.publish("m\(number)")) }
      let mailbox = "\(stand.keys.mailbox(UserName("bob")!))"
      for number in 0..<ahead {
        try await stand.redis(
          "XADD", mailbox, "\(self.future(offsets[0], number))", "m",
          ByHand.envelope("f\(number)", from: "carol"))
      }
      try await stand.keepBus()
      try await stand.startMessaging()
      try await stand.waitUntilProcessed()
      let stored = try await stand.messages()
      #expect(stored.count == ahead + 5)
      let relocated = stored.suffix(5)
      #expect(relocated.map(\.id) == (0..<5).map { "m\($0)" })
      #expect(relocated.map(\.at) == offsets.map(\.milliseconds), "sent when they were sent")
      #expect(relocated.allSatisfy { $0.isRelocated })

      try await stand.repeatBus()
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages() == stored)
    }
  }

  @Test("is stored above the top even if the top was deleted")
  func deletedTop() async throws {
    try await TestStand.withoutMessaging { stand in
      let offset = try await stand.publish("m")
      let mailbox = "\(stand.keys.mailbox(UserName("bob")!))"
      for number in 0..<2 {
        let top = self.future(offset, number)
        try await stand.redis("XADD", mailbox, "\(top)", "m", ByHand.envelope("f\(number)"))
      }
      try await stand.redis("XDEL", mailbox, "\(self.future(offset, 1))")
      try await stand.startMessaging()
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages().map(\.id) == ["f0", "m"])
    }
  }

  @Test("is seen by a device that is connected, with the time at which it was sent")
  func relocatedPush() async throws {
    try await TestStand.with { stand in
      let bob = try await stand.online("bob")
      let first = try await stand.publish("first")
      #expect(try await bob.expectMessage().offset == first)
      let top = self.future(first)
      try await stand.redis(
        "XADD", "\(stand.keys.mailbox(UserName("bob")!))", "\(top)", "m", ByHand.envelope("ahead"))
      let second = try await stand.publish("second")
      #expect(try await bob.expectMessage().offset == top)
      let message = try await bob.expectMessage()
      #expect(message.id == "second")
      #expect(message.offset > top)
      #expect(message.at == second.milliseconds)
      try await bob.expectOpen()
    }
  }

  // MARK: Sent again by the client

  @Test("is stored once, when the client sends it again and says so")
  func retry() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      let first = try await stand.publish("1")
      try await stand.publish("1", flags: ByHand.retry)
      try await stand.publish("2", flags: ByHand.retry)
      try await stand.publish("2", flags: ByHand.retry)
      try await stand.publish("1", from: "carol", flags: ByHand.retry)
      try await stand.waitUntilProcessed()
      try await stand.publish("1", flags: ByHand.retry)
      try await stand.publish("3", flags: ByHand.retry)
      try await stand.waitUntilProcessed()
      let messages = try await stand.messages()
      #expect(
        messages.map { "\($0.from) \($0.id)" } == ["alice 1", "alice 2", "carol 1", "alice 3"])
      #expect(messages[0].offset == first)
    }
  }

  @Test("is stored once, when what the client sent again also comes twice from the bus")
  func retryTwice() async throws {
    try await TestStand.withoutMessaging { stand in
      for number in 0..<20 {
        try await stand.publish("\(number)")
        try await stand.publish("\(number)", flags: ByHand.retry)
      }
      try await stand.keepBus()
      try await stand.startMessaging()
      try await stand.waitUntilProcessed()
      let before = try await stand.messages()
      #expect(before.map(\.id) == (0..<20).map(String.init))
      try await stand.repeatBus()
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages() == before)
    }
  }
}
