import ConnectProtocol
import ConnectTestStand
import MessageBus
import NIOCore
import TestSupport
import Testing

@testable import Gateway

extension TestStand {
  /// Whether a user's only connection holds nothing but what an idle one must.
  ///
  /// - Parameter atPing: whether it may, as at a ping, if it was used.
  fileprivate func isResting(_ user: String, atPing: Bool = true) async throws -> Bool {
    let connection = try self.connection(user)
    return try await connection.eventLoop.submit {
      if atPing {
        connection.value.activity?.isInUse = false
        connection.value.restIfIdle()
      }
      return connection.value.activity == nil
    }.get()
  }

  fileprivate func expectRest(of users: String...) async throws {
    for user in users {
      try await eventually("\(user)'s connection is at rest") { try await self.isResting(user) }
    }
  }
}

/// What ``ConnectionActivity`` is made and given up for; its parts have tests of their own.
@Suite("A connection that idles keeps only where it was")
struct RestTests {
  /// A ping period that no test lives to see: a pong, too, brings a connection to rest.
  private func with(_ body: (TestStand) async throws -> Void) async throws {
    var options = TestStand.Options()
    options.configure = { $0.pingSeconds = 3_600 }
    try await TestStand.with(options, body)
  }

  @Test("once it has caught up, and behind each message, its receipt and its cursor")
  func messages() async throws {
    try await self.with { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob")
      try await stand.expectRest(of: "alice", "bob")
      for number in 1...3 {
        alice.sendMessage("m\(number)", to: "bob", also: #","receipt":true"#)
        let offset = try await alice.expectAccepted("m\(number)")
        #expect(try await bob.expectMessage().offset == offset)
        #expect(try await !stand.isResting("bob"), "it is not acked")
        bob.ack(offset)
        #expect(try await alice.expectPosition().delivered == offset)
        try await eventually("the cursor is stored") { try await stand.cursor("bob") == offset }
        // What the next push and the next ack begin from is what the last ones have left.
        try await stand.expectRest(of: "alice", "bob")
      }
      for socket in [alice, bob] { try await socket.expectOpen() }
      try await stand.expectRest(of: "alice", "bob")
    }
  }

  @Test("behind a frame of which nothing comes, but not while a message has not come whole")
  func frames() async throws {
    try await self.with { stand in
      let bob = try await stand.online("bob")
      try await stand.expectRest(of: "bob")
      // In fragments, between which pongs may go.
      let message = Array(#"{"type":"ping","id":"1"}"#.utf8)
      bob.send(RawFrame(opcode: 1, payload: Array(message.prefix(9)), isFinal: false))
      try await eventually("a part has come") { try await !stand.isResting("bob") }
      bob.send(RawFrame(opcode: 0, payload: Array(message.dropFirst(9))))
      _ = try await bob.expectFrame(type: "pong")
      try await stand.expectRest(of: "bob")
      bob.send(RawFrame(opcode: 10, payload: Array("unasked".utf8)))
      try await bob.expectOpen()
      try await stand.expectRest(of: "bob")
    }
  }

  @Test("by itself once it was pinged since it was used, behind the pong")
  func pings() async throws {
    var options = TestStand.Options()
    options.configure = { $0.pingSeconds = 3 }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      // So it has been used.
      bob.send(RawFrame(opcode: 1, payload: Array(#"{"type":"ping","id":"1"}"#.utf8)))
      _ = try await bob.expectFrame(type: "pong")
      try await bob.setAnswersPings(false)
      for _ in 0..<2 {
        guard case .ping(let payload) = try await bob.next() else {
          throw TestFailure("expected a ping")
        }
        bob.send(RawFrame(opcode: 10, payload: payload))
      }
      try await eventually("bob's connection is at rest by itself") {
        try await stand.isResting("bob", atPing: false)
      }
    }
  }

  @Test("with a budget only until that is full again")
  func budget() async throws {
    var options = TestStand.Options()
    options.configure = { $0.pingSeconds = 1 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      alice.sendMessage("m1", to: "bob")
      try await alice.expectAccepted("m1")
      weak var budget: UserBudget?
      budget = stand.gateways[0].gateway.directory.budget(of: UserName("alice")!) { userBudget() }
      try await eventually("nobody has it") { budget == nil }
    }
  }

  @Test("behind a look into the mailbox that finds nothing")
  func emptyPage() async throws {
    var options = TestStand.Options()
    options.redis = .plain
    options.configure = { $0.pingSeconds = 3_600 }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      try await stand.expectRest(of: "bob")
      let before = try await stand.statistic("calls", of: "xrange")
      // As messaging does to a gateway that it takes for dead: it has all look.
      try await stand.redis("DEL", "\(stand.keys.outgoing(stand.gateways[0].id))")
      try await eventually("the mailbox was read") {
        try await stand.statistic("calls", of: "xrange") > before
      }
      try await stand.expectRest(of: "bob")
      try await bob.expectOpen()
    }
  }

  @Test("behind the rows and the skipped messages that a client which comes back asks for")
  func comingBack() async throws {
    try await self.with { stand in
      let alice = try await stand.online("alice")
      for number in 1...3 {
        alice.sendMessage("m\(number)", to: "bob", also: #","receipt":true"#)
      }
      var last = Offset.zero
      for number in 1...3 { last = try await alice.expectAccepted("m\(number)") }
      try await eventually("all is in the mailbox") { try await stand.mailbox("bob").count == 3 }
      let bob = try await stand.connect("bob", since: "\(last)", positions: "0")
      #expect(try await bob.expectWelcome().offset == last)
      try await bob.expectLive()
      #expect(try await alice.expectPosition().delivered == last)
      try await eventually("the cursor is stored") { try await stand.cursor("bob") == last }
      try await stand.expectRest(of: "alice", "bob")
      alice.sendMessage("m4", to: "bob")
      #expect(try await bob.expectMessage().id == "m4")
    }
  }
}
