import ConnectProtocol
import NIOCore
import TestSupport
import Testing

@testable import ConnectClient
@testable import ConnectTestStand

/// The client against real gateways, messaging and Redis.
@Suite struct StandTests {
  private func with<Result>(
    _ user: UserName, on stand: TestStand, gateway: Int = 0,
    configure: (inout ConnectClientConfiguration) -> Void = { _ in },
    _ body: (RunningClient) async throws -> Result
  ) async throws -> Result {
    let endpoint = ConnectEndpoint(host: "127.0.0.1", port: stand.gateways[gateway].port)
    return try await RunningClient.with(
      endpoint, configure: configure, token: { try await stand.token(user.text) }, body)
  }

  private func unlimited(gateways: Int) -> TestStand.Options {
    var options = TestStand.Options(gateways: gateways)
    options.configure = { $0.sendsPerSecond = 0 }
    return options
  }

  @Test func twoPeopleChatThroughTwoGateways() async throws {
    try await TestStand.with(self.unlimited(gateways: 2)) { stand in
      try await self.with(alice, on: stand) { alice in
        try await self.with(bob, on: stand, gateway: 1) { bob in
          for number in 0..<300 { try await alice.enqueue(number, receipt: number == 299) }
          var last = Offset.zero
          for number in 0..<300 {
            let message = try await bob.message()
            last = message.offset
            #expect(message.id == messageID(number))
            #expect(message.body.json == "\(number)")
          }
          await alice.client.answered()
          let position = try await alice.next("position") {
            if case .position(let position) = $0 { position } else { nil }
          }
          #expect(position.peer == ConnectClientTests.bob)
          #expect(position.delivered == last)
          let offset = try await bob.client.send(
            to: ConnectClientTests.alice, body: MessageBody(json: #"{"text":"thanks"}"#))
          #expect(try await alice.message().offset == offset)
        }
      }
    }
  }

  @Test func aMailboxIsReplayedOnceAndAcked() async throws {
    try await TestStand.with(self.unlimited(gateways: 1)) { stand in
      try await self.with(alice, on: stand) { alice in
        for number in 0..<500 { try await alice.enqueue(number) }
        await alice.client.answered()
      }
      // What is accepted is stored soon after: a client that connected between would be live among them.
      try await eventually("all are stored") { try await stand.mailbox("bob").count == 500 }
      try await self.with(bob, on: stand) { bob in
        for number in 0..<500 { #expect(try await bob.message().id == messageID(number)) }
        try await bob.live()
        bob.client.close()
        #expect(try await bob.ended() == nil)
      }
      try await eventually("bob's cursor is stored") {
        let last = try await stand.mailbox("bob").last
        return try await stand.cursor("bob") == last.flatMap { Offset("\($0.id)") }
      }
      try await self.with(bob, on: stand) { bob in
        let isEmpty = try await bob.next("live or a message") { event in
          switch event {
          case .live: true
          case .message: false
          default: nil
          }
        }
        #expect(isEmpty)
      }
    }
  }

  @Test func connectionsThatBreakAgainAndAgainLoseRepeatAndReorderNothing() async throws {
    try await TestStand.with(self.unlimited(gateways: 2)) { stand in
      try await self.with(alice, on: stand) { alice in
        try await self.with(bob, on: stand, gateway: 1) { bob in
          try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
              for number in 0..<2_000 {
                try await alice.enqueue(number)
                if number % 400 == 200 { alice.client.breakConnection() }
              }
            }
            for number in 0..<2_000 {
              let id = try await bob.message().id
              guard id == messageID(number) else {
                throw TestFailure("\(id) came where \(messageID(number)) should")
              }
              if number % 500 == 300 { bob.client.breakConnection() }
            }
            try await group.waitForAll()
          }
          await alice.client.answered()
          // Whatever else there is comes before this.
          try await alice.enqueue(2_000)
          #expect(try await bob.message().id == messageID(2_000))
        }
      }
    }
  }

  @Test func aGatewayThatStopsIsComeBackTo() async throws {
    let port = try await TakenPort.free()
    var options = TestStand.Options(gateways: 2)
    options.configure = {
      $0.sendsPerSecond = 0
      if $0.id.text == "g1" { $0.port = port }
    }
    try await TestStand.with(options) { stand in
      try await self.with(alice, on: stand) { alice in
        try await self.with(bob, on: stand, gateway: 1) { bob in
          try await alice.live()
          try await alice.enqueue(0)
          #expect(try await bob.message().id == messageID(0))
          try await stand.gateways[0].service.stop()
          let (end, retryIn) = try await alice.disconnected()
          #expect(end == .closedByServer(.restart, reason: "this gateway is stopping"))
          #expect(retryIn != nil)
          try await alice.enqueue(1)
          try await stand.startGateway { $0.port = port }
          #expect(try await bob.message().id == messageID(1))
        }
      }
    }
  }

  @Test func thePaceOfTheServerIsKept() async throws {
    var options = TestStand.Options(gateways: 1)
    options.configure = { $0.sendsPerSecond = 200 }
    try await TestStand.with(options) { stand in
      try await self.with(alice, on: stand) { alice in
        for number in 0..<600 { try await alice.enqueue(number) }
        for number in 0..<600 {
          let id = try await alice.next("an answer") { event -> MessageID? in
            if case .rejected(let rejected, _) = event { Issue.record("\(rejected)") }
            if case .accepted(let id, _) = event { return id }
            return nil
          }
          #expect(id == messageID(number))
        }
      }
    }
  }

  @Test func aNewerConnectionOfTheDeviceTakesOver() async throws {
    try await TestStand.with(self.unlimited(gateways: 2)) { stand in
      try await self.with(alice, on: stand) { older in
        try await older.live()
        try await self.with(alice, on: stand, gateway: 1) { newer in
          try await newer.live()
          guard case .closedByServer(.replaced, _) = try await older.ended() else {
            Issue.record("the older one goes on")
            return
          }
        }
      }
    }
  }

  @Test func aRefusedTokenEndsTheClientWithTheReason() async throws {
    try await TestStand.with(self.unlimited(gateways: 1)) { stand in
      let endpoint = ConnectEndpoint(host: "127.0.0.1", port: stand.gateways[0].port)
      let expired = TestTokens.valid(for: "alice", seconds: -1)
      try await RunningClient.with(endpoint, token: { expired }) { client in
        guard case .refused(let refusal) = try await client.ended() else {
          Issue.record("not refused")
          return
        }
        #expect(refusal.status == 401)
        #expect(refusal.code == RefusalCode.unauthorized.rawValue)
        #expect(refusal.message == "the token has expired")
      }
    }
  }
}
