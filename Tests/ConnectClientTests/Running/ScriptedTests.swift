import ConnectProtocol
import NIOConcurrencyHelpers
import NIOCore
import TestSupport
import Testing

@testable import ConnectClient
@testable import ConnectTestStand

/// The client against a gateway that does what an accident would make it do.
@Suite struct ScriptedTests {
  // MARK: Opening

  @Test func aClientIsWelcomedWithTheTokenOfTheMoment() async throws {
    try await ScriptedGateway.with { gateway in
      let count = NIOLockedValueBox(0)
      try await RunningClient.with(
        gateway.endpoint, configure: { $0.device = DeviceName("phone")! },
        token: {
          count.withLockedValue {
            $0 += 1
            return "token-\($0)"
          }
        }
      ) { client in
        let first = try await gateway.welcome()
        #expect(first.request.contains("GET /v1/connect?device=phone&positions=0 HTTP/1.1\r\n"))
        #expect(first.request.contains("Authorization: Bearer token-1\r\n"))
        try await client.live()
        first.close(.tokenExpired)
        #expect(try await client.disconnected().end == .closedByServer(.tokenExpired, reason: ""))
        let second = try await gateway.welcome()
        #expect(second.request.contains("Authorization: Bearer token-2\r\n"))
        try await client.live()
      }
    }
  }

  @Test func aTokenThatIsRefusedTwiceEndsTheClientWithTheServersWords() async throws {
    try await ScriptedGateway.with { gateway in
      for _ in 0..<2 {
        gateway.refuse(
          "401 Unauthorized", body: #"{"code":"unauthorized","message":"the token is not valid"}"#)
      }
      try await RunningClient.with(gateway.endpoint) { client in
        let end = try await client.ended()
        #expect(
          end
            == .refused(
              UpgradeRefusal(status: 401, code: "unauthorized", message: "the token is not valid")))
        await #expect(throws: ConnectSendError.self) { try await client.enqueue(1) }
      }
    }
  }

  @Test func aServerWithoutRoomIsTriedAgainAfterTheTimeItAskedFor() async throws {
    try await ScriptedGateway.with { gateway in
      gateway.refuse("503 Service Unavailable", headers: "retry-after: 1\r\n")
      try await RunningClient.with(gateway.endpoint) { client in
        let (end, retryIn) = try await client.disconnected()
        #expect(end == .refused(UpgradeRefusal(status: 503, retryAfterSeconds: 1)))
        #expect(try #require(retryIn) >= .seconds(1))
        _ = try await gateway.welcome()
        try await client.live()
      }
    }
  }

  @Test func aTokenThatCannotBeHadIsAskedForAgain() async throws {
    struct NoToken: Error {}
    try await ScriptedGateway.with { gateway in
      let isFirst = NIOLockedValueBox(true)
      try await RunningClient.with(
        gateway.endpoint,
        token: {
          let isFirst = isFirst.withLockedValue { value in
            defer { value = false }
            return value
          }
          if isFirst { throw NoToken() }
          return "token"
        }
      ) { client in
        #expect(try await client.disconnected().end == .noToken("NoToken()"))
        _ = try await gateway.welcome()
        try await client.live()
      }
    }
  }

  @Test func whatIsNoWebSocketServerIsNotTriedAgain() async throws {
    try await ScriptedGateway.with { gateway in
      gateway.refuse(
        "101 Switching Protocols",
        headers: """
          Upgrade: websocket\r
          Connection: Upgrade\r
          Sec-WebSocket-Accept: wrong\r
          Sec-WebSocket-Protocol: connect.v1.json\r\n
          """)
      try await RunningClient.with(gateway.endpoint) { client in
        guard case .notConnect = try await client.ended() else {
          Issue.record("taken for a gateway")
          return
        }
      }
    }
  }

  @Test func aServerThatCannotBeReachedIsTriedAgain() async throws {
    // Nobody listens on the port of a listener that has closed.
    let endpoint = try await ScriptedGateway.with { $0.endpoint }
    try await RunningClient.with(endpoint) { client in
      let (end, retryIn) = try await client.disconnected()
      #expect(end == .unreachable("Connection refused"))
      #expect(retryIn != nil)
      client.client.close()
      #expect(try await client.ended() == nil)
    }
  }

  // MARK: Closing

  @Test func aReplacedClientDoesNotComeBack() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        connection.close(.replaced, "a newer one")
        #expect(try await client.ended() == .closedByServer(.replaced, reason: "a newer one"))
        #expect(try await connection.nextClose() == 4002)
      }
    }
  }

  @Test func goodbyeSaysWhenToComeBack() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        connection.send(#"{"type":"goodbye","code":1012,"reconnectAfterMs":123}"#)
        connection.close(.restart)
        #expect(try await client.disconnected().retryIn == .milliseconds(123))
        _ = try await gateway.welcome()
        try await client.live()
      }
    }
  }

  @Test func closingAcksWhatIsHandledAndSaysGoodbye() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        for number in 1...20 { connection.message(UInt64(number)) }
        for _ in 1...20 { _ = try await client.message() }
        client.client.acknowledge(offset(20))
        client.client.close()
        #expect(try await client.ended() == nil)
        var acked = Offset.zero
        while acked < offset(20) { acked = try await connection.nextAck() }
        #expect(try await connection.nextClose() == 1000)
      }
    }
  }

  @Test func aClientThatIsCancelledCloses() async throws {
    try await ScriptedGateway.with { gateway in
      let connection = try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        try await client.live()
        return connection
      }
      #expect(try await connection.nextClose() == 1000)
    }
  }

  @Test(arguments: [
    (#"{"type":"live","offset":"1-0"}"#, UInt16(1002)), ("{", 1002), ("[]", 1002),
  ])
  func aServerThatBreaksTheProtocolIsTold(frame: String, code: UInt16) async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.accept()
        connection.send(frame)
        let (end, _) = try await client.disconnected()
        guard case .violation = end else {
          Issue.record("\(end)")
          return
        }
      }
    }
  }

  @Test func aBinaryMessageIsAnsweredWith1003() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        connection.send(.binary, "x")
        #expect(try await connection.nextClose() == 1003)
        #expect(try await client.disconnected().end == .violation("a binary message"))
      }
    }
  }

  // MARK: Keepalive

  @Test func pingsAreAnswered() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        connection.send(.ping, "are you there")
        #expect(try await connection.next() == .pong(ByteBuffer(string: "are you there")))
      }
    }
  }

  @Test func aServerThatFallsSilentIsLeft() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome(pingSeconds: 1)
        #expect(try await client.disconnected().end == .silent)
        try await connection.ended()
        _ = try await gateway.welcome()
        try await client.live()
      }
    }
  }
}
