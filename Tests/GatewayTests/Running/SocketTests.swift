import ConnectTestStand
import Listening
import Testing

@Suite("What sockets cost a gateway is bounded")
struct SocketTests {
  @Test("in number, upgraded or not: more wait until others have gone")
  func number() async throws {
    let budget = SocketBudget(limit: 8)
    var options = TestStand.Options()
    options.configure = { $0.socketBudget = budget }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      #expect(budget.open == 1)
      var idle: [TestSocket] = []
      for _ in 0..<40 { idle.append(try await TestSocket.open(port: stand.gateways[0].port)) }
      try await eventually("the budget is used up") { budget.open >= 8 }
      // The sockets of one turn of the loop may exceed it.
      #expect(budget.open < 12)
      alice.sendMessage("1", to: "alice")
      try await alice.expectAccepted("1")

      for socket in idle { socket.close() }
      let bob = try await stand.online("bob")
      bob.close()
      alice.close()
      try await eventually("all are given back") { budget.open == 0 }
    }
  }
}
