import ConnectProtocol
import ConnectTestStand
import MessageBus
import Redis
import TestSupport
import Testing

extension TestStand {
  /// What is noted beside a user's rows, or a row.
  func position(_ field: String, of user: String) async throws -> String? {
    try await self.redis("HGET", "\(self.keys.positions(UserName(user)!))", field).string
  }

  /// Number of entries that the partition of a user was ever given.
  func entriesAdded(for user: String) async throws -> Int {
    try await self.redis("XINFO", "STREAM", "\(self.incoming(user))")["entries-added"]?.integer ?? 0
  }

  /// Sends messages that ask for receipts; all are in the mailbox then.
  func sendReceipts(
    _ count: Int, from alice: TestSocket, to user: String
  ) async throws -> [Offset] {
    var offsets: [Offset] = []
    for number in 0..<count {
      alice.sendMessage("m\(number)", to: user, also: #","receipt":true"#)
      offsets.append(try await alice.expectAccepted("m\(number)"))
    }
    try await eventually("all is in the mailbox") {
      try await self.mailbox(user).count == count
    }
    return offsets
  }
}

@Suite("Senders are told how far a device has acked")
struct PositionTests {
  @Test("at once, and then at most once a second, up to the last")
  func coalesced() async throws {
    let stand = try await TestStand.shared()
    let alice = try await stand.online("coal.alice")
    let bob = try await stand.online("coal.bob", gateway: 1)
    let offsets = try await stand.sendReceipts(50, from: alice, to: "coal.bob")
    let began = ContinuousClock.now
    for offset in offsets {
      #expect(try await bob.expectMessage().offset == offset)
      bob.ack(offset)
    }
    var told: [Offset] = []
    repeat {
      told.append(try #require(try await alice.expectPosition().delivered))
    } while told.last != offsets.last
    #expect(told == told.sorted())
    let seconds = Int((ContinuousClock.now - began) / .seconds(1))
    #expect(told.count <= 2 + seconds)
    try await alice.expectOpen()
  }

  @Test("once: a new device that replays all tells nobody again")
  func newDevice() async throws {
    try await TestStand.with { stand in
      let alice = try await stand.online("alice")
      let phone = try await stand.online("bob", device: "phone")
      let offsets = try await stand.sendReceipts(5, from: alice, to: "bob")
      for offset in offsets { #expect(try await phone.expectMessage().offset == offset) }
      phone.ack(offsets[4])
      #expect(try await alice.expectPosition().delivered == offsets[4])
      try await eventually("it is noted") {
        try await stand.position("!delivered", of: "bob") == "\(offsets[4])"
      }
      let added = try await stand.entriesAdded(for: "alice")

      let tablet = try await stand.connect("bob", device: "tablet")
      #expect(try await tablet.expectWelcome().offset == .zero)
      for offset in offsets { #expect(try await tablet.expectMessage().offset == offset) }
      try await tablet.expectLive()
      tablet.ack(offsets[4])
      try await eventually("its cursor is stored") {
        try await stand.cursor("bob", device: "tablet") == offsets[4]
      }
      #expect(try await stand.entriesAdded(for: "alice") == added)
      try await alice.expectOpen()
    }
  }

  @Test("where it says with `since` that it has more than it acked, however much that is")
  func since() async throws {
    var options = TestStand.Options()
    options.configure = { $0.sendsPerSecond = 0 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      let carol = try await stand.online("carol")
      carol.sendMessage("c", to: "bob", also: #","receipt":true"#)
      let first = try await carol.expectAccepted("c")
      try await eventually("it is in the mailbox") { try await stand.mailbox("bob").count == 1 }
      var offsets: [Offset] = []
      for number in 0..<300 {
        alice.sendMessage("m\(number)", to: "bob", also: #","receipt":true"#)
        if number % 10 == 9 {
          for answered in number - 9...number {
            offsets.append(try await alice.expectAccepted("m\(answered)"))
          }
        }
      }
      try await eventually("all is in the mailbox") {
        try await stand.mailbox("bob").count == 301
      }
      let bob = try await stand.connect("bob", since: "\(offsets[298])")
      #expect(try await bob.expectWelcome().offset == offsets[298])
      #expect(try await bob.expectMessage().offset == offsets[299])
      try await bob.expectLive()
      #expect(try await carol.expectPosition().delivered == first)
      var told = Offset.zero
      while told < offsets[298] {
        told = try #require(try await alice.expectPosition().delivered)
      }
      #expect(told == offsets[298], "the last is not acked")
      try await eventually("the cursor is stored") {
        try await stand.cursor("bob") == offsets[298]
      }
      #expect(try await stand.position("!delivered", of: "bob") == "\(offsets[298])")
      try await bob.expectOpen()
    }
  }

  @Test("of what `since` skips, it looks at pages that grow, and notes how far, told or not")
  func skippedPages() async throws {
    var options = TestStand.Options(gateways: 1)
    options.redis = .plain
    options.redisArguments = ["--slowlog-log-slower-than", "0", "--slowlog-max-len", "100000"]
    try await TestStand.with(options) { stand in
      let mailbox = "\(stand.keys.mailbox(UserName("bob")!))"
      for number in 1...200 { try await stand.redis("XADD", mailbox, "\(number)-0", "m", "x") }
      let bob = try await stand.connect("bob", since: "200-0")
      #expect(try await bob.expectWelcome().offset == Offset("200-0"))
      try await bob.expectLive()
      try await eventually("the cursor is stored") {
        try await stand.cursor("bob") == Offset("200-0")
      }
      #expect(try await stand.position("!delivered", of: "bob") == nil, "nobody was told")
      let log = try await stand.redis("SLOWLOG", "GET", "100000").array.reversed()
      let pages = log.map { $0.array[3].array.map { $0.string ?? "" } }
        .filter { $0.starts(with: ["XRANGE", mailbox]) && $0[2] != "200-1" }
      #expect(pages.map(\.last) == ["16", "32", "64", "128"])
      bob.sendClose(1000)
      try await eventually("it is noted") {
        try await stand.position("!delivered", of: "bob") == "200-0"
      }
    }
  }

  @Test("once: what a new device says with `since` that it has was told, and only its cursor moves")
  func sinceTold() async throws {
    try await TestStand.with { stand in
      let alice = try await stand.online("alice")
      let phone = try await stand.online("bob", device: "phone")
      let offsets = try await stand.sendReceipts(3, from: alice, to: "bob")
      for offset in offsets { #expect(try await phone.expectMessage().offset == offset) }
      phone.ack(offsets[2])
      #expect(try await alice.expectPosition().delivered == offsets[2])
      try await eventually("it is noted") {
        try await stand.position("!delivered", of: "bob") == "\(offsets[2])"
      }
      let added = try await stand.entriesAdded(for: "alice")

      let tablet = try await stand.connect("bob", device: "tablet", since: "\(offsets[1])")
      #expect(try await tablet.expectWelcome().offset == offsets[1])
      try await eventually("its cursor is stored") {
        try await stand.cursor("bob", device: "tablet") == offsets[1]
      }
      tablet.sendClose(1000)
      // Above the newest one it is not: it has that one, and no more.
      let now = try await stand.redis.client.value { $0.time() }
      let above = try await stand.connect("bob", device: "tablet", since: "\(now)-0")
      let welcome = try await above.expectWelcome()
      #expect(welcome.offset == offsets[2])
      #expect(!welcome.gap)
      try await above.expectLive()
      try await eventually("its cursor is stored") {
        try await stand.cursor("bob", device: "tablet") == offsets[2]
      }
      #expect(try await stand.entriesAdded(for: "alice") == added)
      try await alice.expectOpen()
    }
  }

  @Test("once: a device whose cursor is above what is noted has told them")
  func cursorAboveNote() async throws {
    try await TestStand.with { stand in
      let alice = try await stand.online("alice")
      let offsets = try await stand.sendReceipts(3, from: alice, to: "bob")
      // As if the cursor was stored, and the note was not.
      try await stand.redis(
        "HSET", "\(stand.keys.cursor(UserName("bob")!))", "default",
        "\(offsets[1]) \(UInt64(TestTokens.now))")
      try await stand.redis(
        "HSET", "\(stand.keys.positions(UserName("bob")!))", "!delivered", "\(offsets[0])")
      let added = try await stand.entriesAdded(for: "alice")
      let bob = try await stand.connect("bob")
      #expect(try await bob.expectWelcome().offset == offsets[1])
      #expect(try await bob.expectMessage().offset == offsets[2])
      bob.ack(offsets[2])
      #expect(try await alice.expectPosition().delivered == offsets[2])
      #expect(try await stand.entriesAdded(for: "alice") == added + 1)
    }
  }

  @Test("but not of what they asked no receipt for, nor of what they sent themselves")
  func unasked() async throws {
    try await TestStand.with { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob")
      alice.sendMessage("m", to: "bob")
      bob.sendMessage("self", to: "bob", also: #","receipt":true"#)
      try await alice.expectAccepted("m")
      var last = Offset.zero
      for _ in 0..<3 {
        if case .message(let message) = try await bob.expectFrame().frame {
          last = max(last, message.offset)
        }
      }
      bob.ack(last)
      try await eventually("the cursor is stored") { try await stand.cursor("bob") == last }
      try await alice.expectOpen()
      let rows = "\(stand.keys.positions(UserName("alice")!))"
      #expect(try await stand.redis("EXISTS", rows) == .integer(0))
      #expect(try await stand.position("bob", of: "bob") == nil)
    }
  }
}
