import ConnectProtocol
import ConnectTestStand
import TestSupport
import Testing

@Suite("Who was away")
struct OfflineTests {
  /// Sends numbered messages, and waits until all are accepted.
  private func send(
    _ range: Range<Int>, from socket: TestSocket, to user: String
  ) async throws {
    for number in range { socket.sendMessage("m\(number)", to: user, body: "\(number)") }
    for number in range { try await socket.expectAccepted("m\(number)") }
  }

  @Test("goes on from where it was, though a connection ended before it was welcomed")
  func endedEarly() async throws {
    var options = TestStand.Options()
    options.clients = { PatientClients($0) }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob")
      try await self.send(0..<1, from: alice, to: "bob")
      let offset = try await bob.expectMessage().offset
      bob.ack(offset)
      bob.sendClose(1000)
      try await bob.expectClose(1000)
      try await eventually("the cursor is stored") { try await stand.cursor("bob") == offset }

      // Opened and ended while the answer to its registration, which brings the cursor, is under way.
      stand.server.pause()
      let early = try await stand.connect("bob")
      early.close()
      try await early.expectNothingMore()
      stand.server.resume()
      try await eventually("its session is gone") { try await stand.session("bob") == nil }

      let again = try await stand.connect("bob")
      #expect(try await again.expectWelcome().offset == offset)
      #expect(try await stand.cursor("bob") == offset)
    }
  }

  /// Nothing is above it, so a read of what is answers it again.
  @Test("gets the largest offset there is, which somebody wrote by hand, once")
  func largestOffset() async throws {
    var options = TestStand.Options()
    options.configure = { $0.unackedMessages = 1 }
    try await TestStand.with(options) { stand in
      let largest = Offset(milliseconds: .max, sequence: .max)
      let mailbox = "\(stand.keys.mailbox(UserName("bob")!))"
      for (id, offset) in [("a", Offset(milliseconds: 1, sequence: 0)), ("b", largest)] {
        try await stand.redis(
          "XADD", mailbox, "\(offset)", "m", "\u{1}\u{1}\u{0}\u{5}\u{3}\u{1}alicebob\(id)1")
      }
      let bob = try await stand.connect("bob")
      try await bob.expectWelcome()
      for id in ["a", "b"] {
        let message = try await bob.expectMessage()
        #expect(message.id == id)
        bob.ack(message.offset)
      }
      #expect(try await bob.expectLive() == largest)
      try await bob.expectOpen()
    }
  }

  @Test("sees all in order on another gateway, then live, then what comes, and nothing again")
  func offline() async throws {
    var options = TestStand.Options(gateways: 2)
    options.configure = { $0.sendsPerSecond = 0 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice", gateway: 0)
      try await self.send(0..<500, from: alice, to: "bob")
      try await eventually("all is in the mailbox") { try await stand.mailbox("bob").count == 500 }

      let bob = try await stand.connect("bob", gateway: 1)
      #expect(try await bob.expectWelcome().offset == .zero)
      var last = Offset.zero
      for number in 0..<500 {
        let message = try await bob.expectMessage()
        #expect(message.id == "m\(number)")
        #expect(message.body == "\(number)")
        #expect(message.offset > last)
        last = message.offset
        // As a client does: now and then.
        if number % 50 == 49 { bob.ack(last) }
      }
      #expect(try await bob.expectLive() == last)

      try await self.send(500..<550, from: alice, to: "bob")
      for number in 500..<550 {
        let message = try await bob.expectMessage()
        #expect(message.id == "m\(number)")
        last = message.offset
      }
      bob.ack(last)
      try await eventually("the cursor is stored") { try await stand.cursor("bob") == last }
      bob.sendClose(1000)
      try await bob.expectClose(1000)

      for gateway in [0, 1] {
        let again = try await stand.connect("bob", gateway: gateway)
        let welcome = try await again.expectWelcome()
        #expect(welcome.offset == last)
        #expect(!welcome.gap)
        #expect(try await again.expectLive() == last)
        again.sendClose(1000)
        try await again.expectClose(1000)
      }
    }
  }

  @Test("is told by each device where that device was")
  func devices() async throws {
    let stand = try await TestStand.shared()
    let alice = try await stand.online("away.alice")
    try await self.send(0..<10, from: alice, to: "away.bob")
    try await eventually("all is in the mailbox") {
      try await stand.mailbox("away.bob").count == 10
    }
    let phone = try await stand.connect("away.bob", device: "phone")
    try await phone.expectWelcome()
    var offsets: [Offset] = []
    for _ in 0..<10 { offsets.append(try await phone.expectMessage().offset) }
    try await phone.expectLive()
    phone.ack(offsets[6])
    phone.sendClose(1000)
    try await phone.expectClose(1000)
    try await eventually("the cursor is stored") {
      try await stand.cursor("away.bob", device: "phone") == offsets[6]
    }

    let again = try await stand.connect("away.bob", device: "phone", gateway: 1)
    #expect(try await again.expectWelcome().offset == offsets[6])
    for number in 7..<10 { #expect(try await again.expectMessage().offset == offsets[number]) }
    try await again.expectLive()

    let tablet = try await stand.connect("away.bob", device: "tablet")
    #expect(try await tablet.expectWelcome().offset == .zero)
    for offset in offsets { #expect(try await tablet.expectMessage().offset == offset) }
    try await tablet.expectLive()
  }

  @Test("may ask for everything after an offset, or for everything, and keeps its cursor")
  func since() async throws {
    let stand = try await TestStand.shared()
    let alice = try await stand.online("since.alice")
    for number in 0..<10 {
      alice.sendMessage("m\(number)", to: "since.bob", also: #","receipt":true"#)
      try await alice.expectAccepted("m\(number)")
    }
    try await eventually("all is in the mailbox") {
      try await stand.mailbox("since.bob").count == 10
    }
    let first = try await stand.connect("since.bob")
    try await first.expectWelcome()
    var offsets: [Offset] = []
    for _ in 0..<10 { offsets.append(try await first.expectMessage().offset) }
    try await first.expectLive()
    first.ack(offsets[9])
    #expect(try await alice.expectPosition().delivered == offsets[9])
    try await eventually("the cursor is stored") {
      try await stand.cursor("since.bob") == offsets[9]
    }

    for (since, count) in [("0", 10), ("\(offsets[3])", 6), ("\(offsets[9])", 0)] {
      let socket = try await stand.connect("since.bob", since: since)
      #expect(try await socket.expectWelcome().offset == Offset(since))
      for number in 10 - count..<10 {
        #expect(try await socket.expectMessage().offset == offsets[number])
      }
      try await socket.expectLive()
      if count > 0 { socket.ack(offsets[9]) }
      socket.sendClose(1000)
      try await socket.expectClose(1000)
    }
    #expect(try await stand.cursor("since.bob") == offsets[9])
    // What was delivered before is not reported again.
    try await alice.expectOpen()
    let after = try await stand.connect("since.bob")
    #expect(try await after.expectWelcome().offset == offsets[9])
    try await after.expectLive()
  }

  /// Above what any clock says, but for that of a Redis in a test.
  private static let future = Offset(milliseconds: 9_000_000_000_000, sequence: 7)

  @Test(
    "begins again, and is told so, with a since that is above all that Redis can have",
    arguments: [Offset(milliseconds: .max, sequence: 0), future])
  func sinceFuture(_ since: Offset) async throws {
    let stand = try await TestStand.shared()
    let bob = "future.bob\(since.sequence)"
    let alice = try await stand.online("future.alice\(since.sequence)")
    try await self.send(0..<2, from: alice, to: bob)
    try await eventually("both are in the mailbox") { try await stand.mailbox(bob).count == 2 }
    let socket = try await stand.connect(bob, since: "\(since)")
    let welcome = try await socket.expectWelcome()
    #expect(welcome.offset == .zero)
    #expect(welcome.gap)
    for number in 0..<2 { #expect(try await socket.expectMessage().id == "m\(number)") }
    try await socket.expectLive()
    try await self.send(2..<4, from: alice, to: bob)
    var last = Offset.zero
    for number in 2..<4 {
      let message = try await socket.expectMessage()
      #expect(message.id == "m\(number)")
      last = message.offset
    }
    socket.ack(Offset(milliseconds: .max, sequence: .max))
    try await eventually("the cursor is stored") { try await stand.cursor(bob) == last }
  }

  @Test(
    "begins again, and is told so, with a cursor that is above all that Redis can have",
    arguments: [nil, "1-1"])
  func cursorFuture(_ since: String?) async throws {
    let stand = try await TestStand.shared()
    let bob = since == nil ? "ahead.bob" : "ahead.bill"
    let name = try #require(UserName(bob))
    let alice = try await stand.online(since == nil ? "ahead.alice" : "ahead.anne")
    alice.sendMessage("old", to: bob)
    _ = try await alice.expectAccepted("old")
    try await eventually("it is in the mailbox") { try await stand.mailbox(bob).count == 1 }
    // As a backup, or a Redis with another clock, has left it. Seen lately: trimming forgets others.
    _ = try await stand.redis(
      "HSET", "\(stand.keys.cursor(name))", "default", "\(Self.future) \(UInt64(TestTokens.now))")
    _ = try await stand.redis(
      "HSET", "\(stand.keys.positions(name))", "!delivered", "\(Self.future)")
    let socket = try await stand.connect(bob, since: since)
    // Where a client knows where it is, that counts.
    let welcome = try await socket.expectWelcome()
    #expect(welcome.offset == Offset(since ?? "0"))
    #expect(welcome.gap == (since == nil))
    try await eventually("no such cursor is stored any more") {
      try await stand.cursor(bob) == Offset(since ?? "0")
    }
    #expect(try await socket.expectMessage().id == "old")
    try await socket.expectLive()
    alice.sendMessage("new", to: bob, also: #","receipt":true"#)
    let offset = try await alice.expectAccepted("new")
    #expect(try await socket.expectMessage().offset == offset)
    socket.ack(offset)
    // Its ack tells the sender, as of any device.
    #expect(try await alice.expectPosition().delivered == offset)
    try await eventually("the cursor is stored") { try await stand.cursor(bob) == offset }
    try await eventually("so it is noted") {
      try await stand.position("!delivered", of: bob) == "\(offset)"
    }
  }

  @Test("goes on from where it was, though its Redis has a mailbox that is ahead of its clock")
  func mailboxAhead() async throws {
    let stand = try await TestStand.shared()
    let mailbox = "\(stand.keys.mailbox(try #require(UserName("clock.bob"))))"
    // What this release cannot read is passed over, and all that comes is stored above it.
    _ = try await stand.redis("XADD", mailbox, "\(Self.future)", "?", "?")
    let alice = try await stand.online("clock.alice")
    try await self.send(0..<2, from: alice, to: "clock.bob")
    try await eventually("all is in the mailbox") {
      try await stand.mailbox("clock.bob").count == 3
    }
    let socket = try await stand.connect("clock.bob")
    try await socket.expectWelcome()
    let first = try await socket.expectMessage().offset
    #expect(first > Self.future)
    let second = try await socket.expectMessage().offset
    try await socket.expectLive()
    socket.ack(first)
    try await eventually("the cursor is stored") { try await stand.cursor("clock.bob") == first }
    socket.sendClose(1000)
    try await socket.expectClose(1000)
    for since in [nil, "\(first)"] {
      let again = try await stand.connect("clock.bob", since: since)
      let welcome = try await again.expectWelcome()
      #expect(welcome.offset == first)
      #expect(!welcome.gap)
      #expect(try await again.expectMessage().offset == second)
      try await again.expectLive()
      again.sendClose(1000)
      try await again.expectClose(1000)
    }
    #expect(try await stand.cursor("clock.bob") == first)
  }

  @Test("without a word is sent everything, once it reads again, and the gateway keeps none of it")
  func slowReader() async throws {
    var options = TestStand.Options(gateways: 2)
    options.configure = {
      $0.sendsPerSecond = 0
      $0.unackedMessages = 100_000
      // Who does not read answers no pings, for as long as a busy machine takes.
      $0.pingSeconds = 3_600
    }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice", gateway: 0)
      let (bob, _) = try await TestSocket.upgrade(
        port: stand.gateways[1].port, try await stand.request("bob"), receiveBufferBytes: 4_096)
      try await bob.expectWelcome()
      try await bob.expectLive()
      try await bob.setReading(false)
      // Far more than the kernel and the gateway hold for one socket.
      let body = "\"" + String(repeating: "x", count: 20_000) + "\""
      let count = 1_000
      for number in 0..<count { alice.sendMessage("m\(number)", to: "bob", body: body) }
      for number in 0..<count { try await alice.expectAccepted("m\(number)") }
      try await bob.setReading(true)
      for number in 0..<count { #expect(try await bob.expectMessage().id == "m\(number)") }
      alice.sendMessage("last", to: "bob")
      #expect(try await bob.expectMessage().id == "last")
      try await bob.expectOpen()
    }
  }
}
