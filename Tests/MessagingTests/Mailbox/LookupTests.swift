import ConnectProtocol
import ConnectTestStand
import MessageBus
import Messaging
import Testing

@Suite("A batch with a message that was sent again")
struct LookupTests {
  /// The commands that Redis has executed, in order.
  private func commands(_ stand: TestStand) async throws -> [[String]] {
    try await stand.redis("SLOWLOG", "GET", "100000").array.reversed().map { entry in
      entry.array[3].array.map { $0.string ?? "" }
    }
  }

  @Test("is stored and pushed to the other recipients before anything is looked up")
  func pushedFirst() async throws {
    var options = TestStand.Options(gateways: 0)
    options.hasMessaging = false
    options.partitions = 1
    // All commands, from one server, so that they have one order.
    options.redis = .plain
    options.redisArguments = ["--slowlog-log-slower-than", "0", "--slowlog-max-len", "100000"]
    try await TestStand.with(options) { stand in
      let outgoing = "\(stand.keys.outgoing(InstanceID("gateway")!))"
      try await stand.redis("XADD", outgoing, "*", "m", "x")
      for user in ["bob", "carol"] {
        let session = "\(stand.keys.session(UserName(user)!))"
        try await stand.redis("HSET", session, "phone", "gateway/c1")
      }
      for number in 0..<3 { try await stand.publish("m\(number)", flags: 0) }
      try await stand.publish("m1", flags: ByHand.retry)
      try await stand.publish("m3", flags: ByHand.retry)
      try await stand.publish("m4")
      try await stand.publish("c1", to: "carol")
      try await stand.startMessaging()
      try await stand.waitUntilProcessed()

      #expect(try await stand.messages().map(\.id) == ["m0", "m1", "m2", "m3", "m4"])
      #expect(try await stand.messages(of: "carol").map(\.id) == ["c1"])
      let commands = try await self.commands(stand)
      func place(_ name: String, _ key: String, last: Bool = false) throws -> Int {
        let isIt: ([String]) -> Bool = { $0[0] == name && $0[1] == key }
        return try #require(
          last ? commands.lastIndex(where: isIt) : commands.firstIndex(where: isIt))
      }
      let bob = "\(stand.keys.mailbox(UserName("bob")!))"
      let carol = "\(stand.keys.mailbox(UserName("carol")!))"
      let lookup = try place("XREVRANGE", bob)
      let begin = try place("XREADGROUP", "GROUP")
      let pushes = commands.indices.filter {
        $0 > begin && commands[$0][0] == "XADD" && commands[$0][1] == outgoing
      }
      #expect(pushes.count == 2)
      #expect(try place("XADD", carol) < pushes[0])
      #expect(pushes[0] < lookup)
      #expect(try lookup < place("XADD", bob))
      #expect(try place("XADD", bob, last: true) < pushes[1])
      // It is finished as a whole, behind everything.
      let incoming = "\(try stand.incoming("bob"))"
      let finished = try #require(
        commands.firstIndex { $0.starts(with: ["XGROUP", "SETID", incoming]) })
      #expect(pushes[1] < finished)
    }
  }
}
