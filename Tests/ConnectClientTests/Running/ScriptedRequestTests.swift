import ConnectProtocol
import NIOCore
import TestSupport
import Testing

@testable import ConnectClient
@testable import ConnectTestStand

/// Lists, history, presence and signals, with a gateway that does as it is told.
@Suite struct ScriptedRequestTests {
  private func message(_ number: Int, _ body: String = "1") -> String {
    """
    {"type":"message","offset":"\(number)-0","from":"bob","id":"b\(number)","at":1,\
    "body":\(body)}
    """
  }

  @Test func theListOfConversationsComesWithItsLastLinesAndBodies() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        async let page = client.client.conversations(limit: 1_000, before: .log(below: offset(9)))
        let request = try await connection.nextConversations()
        #expect(request.limit == 50)
        #expect(request.before == .log(below: offset(9)))
        connection.send(
          """
          {"type":"conversations","id":"\(request.id!)","items":[{"peer":"bob","unread":2,\
          "unreadIsMore":true,"mine":"3-0","last":\(self.message(4, #"{"text":"ä"}"#))},\
          {"peer":"carol","unread":0}],"next":"positions:7"}
          """)
        let answer = try await page
        #expect(answer.next == .positions(below: 7))
        #expect(answer.conversations.map(\.peer.text) == ["bob", "carol"])
        #expect(answer.conversations[0].unread == 2)
        #expect(answer.conversations[0].unreadIsMore)
        #expect(answer.conversations[0].mine == offset(3))
        guard case .message(let last) = answer.conversations[0].last else {
          Issue.record("\(answer)")
          return
        }
        #expect(last.body == json(#"{"text":"ä"}"#))
        #expect(answer.conversations[1].last == nil)
      }
    }
  }

  @Test func historyIsAskedAgainOnTheNextConnectionAndComesAsEntries() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let first = try await gateway.welcome()
        async let page = client.client.history(with: bob, before: offset(9), limit: 3)
        let asked = try await first.nextHistory()
        first.drop()
        let second = try await gateway.welcome()
        let again = try await second.nextHistory()
        #expect(again == asked)
        #expect(again.peer == bob)
        #expect(again.before == offset(9))
        #expect(again.limit == 3)
        second.send(
          """
          {"type":"history","id":"\(again.id!)","entries":[\(self.message(8)),\
          {"type":"sent","offset":"7-0","peerOffset":"6-0","to":"bob","id":"a","at":2,"body":"x"},\
          {"type":"failed","offset":"5-0","to":"bob","id":"f","code":"mailbox_full",\
          "message":"m"}],"trimmed":true}
          """)
        let answer = try await page
        #expect(answer.entries.map(\.offset) == [offset(8), offset(7), offset(5)])
        #expect(answer.isTrimmed)
        #expect(answer.next == nil)
        guard case .sent(let sent) = answer.entries[1] else {
          Issue.record("\(answer)")
          return
        }
        #expect(sent.peerOffset == offset(6))
        #expect(sent.body == json(#""x""#))
      }
    }
  }

  @Test func whatIsRefusedForNowIsAskedAgainAndForGoodIsThrown() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        let page = Task { try await client.client.history() }
        let asked = try await connection.nextHistory()
        connection.refuse(asked.id!, .rateLimited, retryAfter: 1)
        let again = try await connection.nextHistory()
        #expect(again == asked)
        connection.refuse(asked.id!, .malformed, retryAfter: nil)
        await #expect(throws: ConnectRequestError.refused(code: "malformed", message: "x")) {
          _ = try await page.value
        }
        let late = Task { try await client.client.history() }
        connection.refuse(try await connection.nextHistory().id!, .rateLimited, retryAfter: 60_000)
        await #expect {
          _ = try await late.value
        } throws: {
          if case ConnectRequestError.rateLimited = $0 { true } else { false }
        }
      }
    }
  }

  @Test func whatWaitsIsThrownWhenTheClientEndsOrTheTaskIsCancelled() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        let cancelled = Task { try await client.client.history() }
        _ = try await connection.nextHistory()
        cancelled.cancel()
        await #expect(throws: ConnectRequestError.cancelled) { _ = try await cancelled.value }
        let page = Task { try await client.client.history() }
        _ = try await connection.nextHistory()
        client.client.close()
        await #expect(throws: ConnectRequestError.ended(.closed)) { _ = try await page.value }
        await #expect(throws: ConnectRequestError.ended(.closed)) {
          _ = try await client.client.history()
        }
      }
    }
  }

  @Test func aFurtherRequestFailsWhileAsManyWaitAsMay() async throws {
    let client = ConnectClient(
      configuration: ConnectClientConfiguration(
        endpoint: ConnectEndpoint(host: "127.0.0.1", port: 1))
    ) { "token" }
    await withTaskGroup(of: ConnectRequestError?.self) { group in
      for _ in 0...ConnectClientLimits.unansweredRequests {
        group.addTask {
          do throws(ConnectRequestError) {
            _ = try await client.history()
            return nil
          } catch {
            return error
          }
        }
      }
      // All but one wait for good.
      #expect(await group.next() == .full)
      client.close()
      for await error in group { #expect(error == .ended(.closed)) }
    }
  }

  @Test func theWatchIsAskedAgainAfterAReconnectAndItsChangesAreEvents() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        try client.client.watchPresence(of: [bob, bob])
        let first = try await gateway.welcome()
        let watch = try await first.nextPresence()
        #expect(watch.watch)
        #expect(watch.users == [bob])
        first.send(
          #"{"type":"presence","id":"\#(watch.id!)","users":{"bob":{"online":true}}}"#)
        #expect(try await client.presence() == [bob: .init(online: true)])
        first.send(#"{"type":"presence","users":{"bob":{"online":false,"lastSeen":5}}}"#)
        #expect(try await client.presence() == [bob: .init(online: false, lastSeen: 5)])
        async let once = client.client.presence(of: [alice])
        let request = try await first.nextPresence()
        #expect(!request.watch)
        first.send(
          #"{"type":"presence","id":"\#(request.id!)","users":{"alice":{"online":true}}}"#)
        #expect(try await once == [alice: .init(online: true)])
        // The other one has ended it.
        #expect(try await first.nextPresence() == watch)
        first.drop()
        let second = try await gateway.welcome()
        #expect(try await second.nextPresence() == watch)
        #expect(throws: ConnectRequestError.tooManyUsers(101)) {
          try client.client.watchPresence(of: (0...100).map { UserName("u\($0)")! })
        }
      }
    }
  }

  @Test func typingIsSaidOnceForManyKeysAndAMessageOfThePeerEndsIts() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        try await client.live()
        for _ in 0..<5 { client.client.typing(to: bob) }
        let signal = try await connection.nextSignal()
        #expect(signal.to == bob)
        #expect(signal.name == .typing)
        #expect(signal.body == nil)
        try client.client.signal(
          MessageID("wave")!, to: bob, body: MessageBody(json: #"{"hand":1}"#))
        #expect(try await connection.nextSignal().name == MessageID("wave")!)
        #expect(throws: ConnectSendError.self) {
          try client.client.signal(MessageID("wave")!, to: bob, body: MessageBody(json: "{"))
        }
        connection.send(#"{"type":"signal","from":"bob","name":"typing","at":0}"#)
        #expect(try await client.typing() == true)
        connection.message(1)
        #expect(try await client.typing() == false)
        _ = try await client.message()
        connection.send(#"{"type":"signal","from":"bob","name":"wave","at":3,"body":[1]}"#)
        let wave = try await client.next("a signal") {
          if case .signal(let signal) = $0 { signal } else { nil }
        }
        #expect(
          wave
            == IncomingSignal(
              from: bob, name: MessageID("wave")!, body: json("[1]"), at: 3))
      }
    }
  }

  @Test func aPeerThatSaysNoMoreIsTypingNoLongerAfterAWhile() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        connection.send(#"{"type":"signal","from":"bob","name":"typing","at":1}"#)
        #expect(try await client.typing() == true)
        // It ends without a connection, too, and not with it.
        connection.drop()
        try await client.next("the end of the connection") {
          if case .disconnected = $0 { () } else { nil }
        }
        #expect(try await client.typing() == false)
      }
    }
  }
}

extension RunningClient {
  fileprivate func presence() async throws -> [UserName: ServerFrame.Presence.Status] {
    try await self.next("presence") { if case .presence(let users) = $0 { users } else { nil } }
  }

  fileprivate func typing() async throws -> Bool {
    try await self.next("typing") {
      if case .typing(let peer, let isTyping) = $0, peer == bob { isTyping } else { nil }
    }
  }
}

extension ScriptedConnection {
  func refuse(_ id: MessageID, _ code: RejectionCode, retryAfter: Int?) {
    let wait = retryAfter.map { ",\"retryAfterMs\":\($0)" } ?? ""
    self.send(
      """
      {"type":"rejected","id":"\(id)","code":"\(code.rawValue)","message":"x",\
      "retryable":\(retryAfter != nil)\(wait)}
      """)
  }

  fileprivate func nextConversations() async throws -> ClientFrame.Conversations {
    let frame = try await self.nextFrame()
    guard case .conversations(let request) = frame else { throw TestFailure("it is \(frame)") }
    return request
  }

  fileprivate func nextHistory() async throws -> ClientFrame.History {
    let frame = try await self.nextFrame()
    guard case .history(let request) = frame else { throw TestFailure("it is \(frame)") }
    return request
  }

  fileprivate func nextPresence() async throws -> ClientFrame.Presence {
    let frame = try await self.nextFrame()
    guard case .presence(let request) = frame else { throw TestFailure("it is \(frame)") }
    return request
  }

  fileprivate func nextSignal() async throws -> ClientFrame.Signal {
    // The acks of what came are of no interest.
    while true {
      let frame = try await self.nextFrame()
      if case .ack = frame { continue }
      guard case .signal(let signal) = frame else { throw TestFailure("it is \(frame)") }
      return signal
    }
  }
}
