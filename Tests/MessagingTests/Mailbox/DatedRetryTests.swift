import ConnectProtocol
import ConnectTestStand
import MessageBus
import Testing

@Suite("A client that says when it first sent a message", .timeLimit(.minutes(20)))
struct DatedRetryTests {
  @Test("has it looked for from a minute before then, by the clock of welcome, and no further back")
  func window() async throws {
    try await TestStand.with { stand in
      let alice = try await stand.connect("alice")
      let now = try await alice.expectWelcome().now
      try await alice.expectLive()
      let mailbox = "\(stand.keys.mailbox(UserName("bob")!))"
      func store(_ id: String, secondsAgo: UInt64, _ sequence: Int) async throws {
        try await stand.redis(
          "XADD", mailbox, "\(now - secondsAgo * 1_000)-\(sequence)", "m", ByHand.envelope(id))
      }
      for (sequence, id) in ["known", "forgotten", "unsaid"].enumerated() {
        try await store(id, secondsAgo: 600, sequence)
      }
      for number in 0..<40 { try await store("m\(number)", secondsAgo: 480, number) }
      for (id, retry) in [
        // First, since what one search has read is known to the next.
        ("forgotten", "\(now - 120_000)"), ("known", "\(now - 500_000)"), ("unsaid", "true"),
        ("new", "\(now + 1_000_000)"),
      ] {
        alice.sendMessage(id, to: "bob", also: #","retry":\#(retry)"#)
        try await alice.expectAccepted(id)
      }
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages().dropFirst(43).map(\.id) == ["forgotten", "new"])
    }
  }
}
