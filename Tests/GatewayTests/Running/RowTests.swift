import ConnectProtocol
import ConnectTestStand
import MessageBus
import Redis
import TestSupport
import Testing

@Suite("A client is told its user's positions")
struct RowTests {
  /// Rows with the stamps 10, 20, … 50.
  private func write(_ user: String, on stand: TestStand) async throws {
    let key = "\(stand.keys.positions(UserName(user)!))"
    for number in [3, 1, 5, 2, 4] {
      try await stand.redis("HSET", key, "peer\(number)", "\(number)-0 0-0 7-\(number) \(number)0")
    }
    try await stand.redis("HSET", key, "!top", "50", "!floor", "2-3")
  }

  private func stamps(_ count: Int, of socket: TestSocket) async throws -> [UInt64] {
    var stamps: [UInt64] = []
    for _ in 0..<count { stamps.append(try await socket.expectPosition().stamp) }
    return stamps
  }

  @Test("with welcome: the highest stamp, the floor, the time and how long messages are kept")
  func welcome() async throws {
    var options = TestStand.Options()
    options.configure = { $0.retentionSeconds = 1_234 }
    try await TestStand.with(options) { stand in
      let new = try await stand.connect("new")
      let welcome = try await new.expectWelcome()
      #expect(welcome.positions == 0)
      #expect(welcome.floor == nil)
      #expect(welcome.retentionSeconds == 1_234)
      let time = try await stand.redis.client.value { $0.time() }
      #expect((time - 60_000...time + 60_000).contains(welcome.now))

      try await self.write("alice", on: stand)
      let alice = try await stand.connect("alice")
      let known = try await alice.expectWelcome()
      #expect(known.positions == 50)
      #expect(known.floor == Offset("2-3"))
    }
  }

  @Test(
    "between welcome and live: those above the stamp that it has, ascending",
    arguments: [
      (nil, []), ("50", []), ("20", [30, 40, 50]), ("0", [10, 20, 30, 40, 50]),
      ("51", [10, 20, 30, 40, 50]), ("\(UInt64.max)", [10, 20, 30, 40, 50]),
    ] as [(String?, [UInt64])])
  func rows(positions: String?, expected: [UInt64]) async throws {
    let stand = try await TestStand.shared()
    let user = "rows.\(positions ?? "none")"
    let alice = try await stand.online("rows.alice\(positions ?? "none")")
    alice.sendMessage("m", to: user)
    try await alice.expectAccepted("m")
    try await eventually("it is in the mailbox") { try await stand.mailbox(user).count == 1 }
    try await self.write(user, on: stand)
    let socket = try await stand.connect(user, positions: positions, gateway: 1)
    try await socket.expectWelcome()
    #expect(try await self.stamps(expected.count, of: socket) == expected)
    #expect(try await socket.expectMessage().id == "m")
    try await socket.expectLive()
    try await socket.expectOpen()
  }

  @Test("with all that a row has, and the floor")
  func whole() async throws {
    let stand = try await TestStand.shared()
    try await self.write("whole", on: stand)
    let socket = try await stand.connect("whole", positions: "40")
    try await socket.expectWelcome()
    let expected = ServerFrame.Position(
      peer: UserName("peer5")!, delivered: Offset("5-0"), mine: Offset("7-5"),
      floor: Offset("2-3"), stamp: 50)
    #expect(try await socket.expectPosition() == expected)
    try await socket.expectLive()
  }

  @Test("as the socket takes them, however many they are, from one reading")
  func many() async throws {
    try await TestStand.with { stand in
      let key = "\(stand.keys.positions(UserName("many")!))"
      var words = ["HSET", key, "!top", "1000"]
      for number in 1...1_000 { words += ["peer\(number)", "1-0 0-0 0-0 \(number)"] }
      try await stand.redis.execute(words)
      let readings = try await stand.statistic("calls", of: "hgetall")
      // Much less than all of them, so that the gateway has to wait.
      let (socket, _) = try await TestSocket.upgrade(
        port: stand.gateways[0].port, try await stand.request("many", positions: "0"),
        receiveBufferBytes: 4_096)
      try await socket.expectWelcome()
      #expect(try await self.stamps(1_000, of: socket) == Array(1...1_000))
      try await socket.expectLive()
      #expect(try await stand.statistic("calls", of: "hgetall") == readings + 1)
    }
  }

  @Test("unless it says what is not a stamp: that is refused", arguments: ["", "x", "-1", "1.0"])
  func malformed(positions: String) async throws {
    let stand = try await TestStand.shared()
    let answer = try await stand.refusal(of: try await stand.request("bad", positions: positions))
    #expect(answer.status == 400)
    #expect(answer.body.contains("positions"))
  }

  @Test("though the push of one was lost: with the next ping, and those after it as ever")
  func lostPush() async throws {
    var options = TestStand.Options()
    options.configure = { $0.pingSeconds = 3 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      try await self.write("alice", on: stand)
      #expect(try await self.stamps(5, of: alice) == [10, 20, 30, 40, 50])
      let bob = try await stand.online("bob")
      let offsets = try await stand.sendReceipts(1, from: alice, to: "bob")
      _ = try await bob.expectMessage()
      bob.ack(offsets[0])
      #expect(try await alice.expectPosition().delivered == offsets[0])
      try await alice.expectOpen()
    }
  }
}
