import ConnectProtocol
import NIOCore
import TestSupport
import Testing

@testable import ConnectClient
@testable import ConnectTestStand

/// Messages that a client sends and shows, whatever accidents its gateway has.
@Suite struct ScriptedSendTests {
  @Test func whatHasNoAnswerIsSentAgainInOrderAndBeforeAnythingNew() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        for number in 0..<4 { try await client.enqueue(number) }
        let first = try await gateway.welcome()
        for number in 0..<4 {
          let send = try await first.nextSend()
          #expect(send.id == messageID(number))
          #expect(send.retry == .no)
          if number == 1 { first.accept(send, 11) }
        }
        #expect(try await client.accepted() == (messageID(1), offset(11)))
        first.drop()
        _ = try await client.disconnected()
        try await client.enqueue(4)
        let second = try await gateway.welcome()
        for (number, retry) in [(0, true), (2, true), (3, true), (4, false)] {
          let send = try await second.nextSend()
          #expect(send.id == messageID(number))
          #expect((send.retry != .no) == retry)
          second.accept(send, UInt64(20 + number))
          #expect(try await client.accepted() == (messageID(number), offset(UInt64(20 + number))))
        }
        #expect(second.isQuiet)
      }
    }
  }

  @Test func whatIsReadGoesInTurnWithWhatIsSentAndAtOnePaceWithIt() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        for number in 0..<8 {
          client.client.read(UserName("peer\(number)")!, through: offset(1))
          try await client.enqueue(number)
        }
        let start = ContinuousClock.now
        let connection = try await gateway.welcome(sendsPerSecond: 20)
        var areReads: [Bool] = []
        for _ in 0..<16 {
          let isRead = if case .read = try await connection.nextFrame() { true } else { false }
          areReads.append(isRead)
        }
        #expect(areReads == (0..<16).map { $0.isMultiple(of: 2) })
        // The share of half a second at once, then one each 50 ms.
        #expect(ContinuousClock.now - start >= .milliseconds(250))
      }
    }
  }

  @Test func whatTheServerCannotTakeNowIsSentAgainInOrder() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        for number in 0..<3 { try await client.enqueue(number) }
        var sends: [ClientFrame.Send] = []
        for _ in 0..<3 { sends.append(try await connection.nextSend()) }
        connection.reject(sends[0], retryAfter: 1)
        connection.reject(sends[1], retryAfter: 1)
        _ = try await client.next("rejected") {
          if case .rejected(_, isFinal: false) = $0 { () } else { nil }
        }
        try await client.enqueue(3)
        connection.accept(sends[2], 1)
        for (number, retry) in [(0, true), (1, true), (3, false)] {
          let send = try await connection.nextSend()
          #expect(send.id == messageID(number))
          #expect((send.retry != .no) == retry)
          #expect(connection.isQuiet)
          connection.accept(send, UInt64(number + 2))
        }
      }
    }
  }

  @Test func whatADrainingServerTurnsAwayGoesToTheNextAsNewAndInOrder() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let first = try await gateway.welcome()
        for number in 0..<4 { try await client.enqueue(number) }
        var sends: [ClientFrame.Send] = []
        for _ in 0..<4 { sends.append(try await first.nextSend()) }
        first.accept(sends[0], 1)
        first.reject(sends[1], .draining, retryAfter: 60_000)
        first.reject(sends[2], .draining, retryAfter: 60_000)
        first.send(#"{"type":"goodbye","code":1012,"reconnectAfterMs":1}"#)
        first.close(.restart)
        #expect(try await client.disconnected().retryIn == .milliseconds(1))
        try await client.enqueue(4)
        let second = try await gateway.welcome()
        for (number, retry) in [(1, false), (2, false), (3, true), (4, false)] {
          let send = try await second.nextSend()
          #expect(send.id == messageID(number))
          #expect((send.retry != .no) == retry)
        }
      }
    }
  }

  @Test func aMessageThatFailsAfterItWasAcceptedIsToldAndAcked() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        async let sent = client.client.send(to: bob, id: messageID(1), body: MessageBody(json: "1"))
        connection.accept(try await connection.nextSend(), 7)
        #expect(try await sent == offset(7))
        connection.send(
          """
          {"type":"failed","offset":"9-0","to":"bob","id":"m1","code":"mailbox_full","message":"x"}
          """)
        let failed = try await client.next("failed") {
          if case .failed(let failed) = $0 { failed } else { nil }
        }
        #expect(failed.id == messageID(1))
        #expect(failed.to == bob)
        #expect(failed.code == FailureCode.mailboxFull.rawValue)
        #expect(try await connection.nextAck() == offset(9))
      }
    }
  }

  @Test func whatANewerServerSendsIsAckedAndNotTold() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome(unacked: 2)
        for number in 1...6 {
          connection.send(#"{"type":"sticker","offset":"\#(number)-0","from":"bob"}"#)
          var acked = Offset.zero
          while acked < offset(UInt64(number)) { acked = try await connection.nextAck() }
        }
        connection.message(7)
        #expect(try await client.message().offset == offset(7))
      }
    }
  }

  @Test func aMessageUnderTwoOffsetsIsShownOnceAndAckedTwice() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let first = try await gateway.welcome()
        first.message(1, id: "twice")
        #expect(try await client.message().offset == offset(1))
        first.drop()
        let second = try await gateway.welcome(after: offset(1))
        second.message(2, id: "twice")
        #expect(try await second.nextAck() == offset(2))
        second.message(3, id: "once")
        #expect(try await client.message().offset == offset(3))
      }
    }
  }

  @Test func whatTheServerWillNeverTakeIsTold() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        async let sent = client.client.send(to: bob, body: MessageBody(json: "1"))
        connection.reject(try await connection.nextSend(), retryAfter: nil)
        do {
          _ = try await sent
          Issue.record("it was taken")
        } catch ConnectSendError.rejected(let rejected) {
          #expect(rejected.code == "unavailable")
        }
      }
    }
  }

  @Test func sendReturnsTheOffsetUnderWhichItIsDurable() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        async let sent = client.client.send(to: bob, body: MessageBody(json: #"{"text":"hi"}"#))
        connection.accept(try await connection.nextSend(), 77)
        #expect(try await sent == offset(77))
      }
    }
  }

  @Test func aMessageOverTheServersLimitCostsOnlyItself() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        let body = "\"" + String(repeating: "x", count: 70_000) + "\""
        await #expect(throws: ConnectSendError.self) {
          try await client.client.send(to: bob, body: MessageBody(json: body))
        }
        try await client.enqueue(1)
        #expect(try await connection.nextSend().id == messageID(1))
      }
    }
  }

  @Test func aBodyThatIsNotJSONIsNotSent() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        await #expect(throws: ConnectSendError.self) {
          try await client.client.enqueue(to: bob, body: MessageBody(json: "{\"text\":"))
        }
      }
    }
  }

  @Test func whoSendsTooMuchWaits() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint, configure: { $0.unansweredSends = 2 }) {
        client in
        let connection = try await gateway.welcome()
        try await client.enqueue(0)
        try await client.enqueue(1)
        #expect(throws: ConnectSendError.full) {
          try client.client.tryEnqueue(to: bob, body: MessageBody(json: "2"))
        }
        async let third = client.enqueue(2)
        let first = try await connection.nextSend()
        _ = try await connection.nextSend()
        #expect(connection.isQuiet)
        connection.accept(first, 1)
        #expect(try await third == messageID(2))
        #expect(try await connection.nextSend().id == messageID(2))
      }
    }
  }

  @Test func whoWaitsForRoomMayGiveUp() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint, configure: { $0.unansweredSends = 1 }) {
        client in
        let connection = try await gateway.welcome()
        try await client.enqueue(0)
        let outcome = await withTaskGroup(of: ConnectSendError?.self) { group in
          group.addTask {
            do throws(ConnectSendError) {
              try await client.client.enqueue(to: bob, body: MessageBody(json: "1"))
              return nil
            } catch {
              return error
            }
          }
          group.cancelAll()
          return await group.next() ?? nil
        }
        #expect(outcome == .cancelled)
        connection.accept(try await connection.nextSend(), 1)
        try await client.enqueue(2)
        #expect(try await connection.nextSend().id == messageID(2))
      }
    }
  }

  @Test func whatIsUnansweredAtTheEndFails() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome()
        async let sent = client.client.send(to: bob, body: MessageBody(json: "1"))
        _ = try await connection.nextSend()
        client.client.close()
        do {
          _ = try await sent
          Issue.record("it was taken")
        } catch {
          #expect(error as? ConnectSendError == .ended(.closed))
        }
        await client.client.answered()
      }
    }
  }

  // MARK: Receiving

  @Test func whatComesTwiceIsShownOnceAndAckedTwice() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint) { client in
        let first = try await gateway.welcome()
        first.message(1, body: #"{"text":"hello"}"#)
        let message = try await client.message()
        #expect(message.from == bob)
        #expect(message.body.json == #"{"text":"hello"}"#)
        #expect(try await first.nextAck() == offset(1))
        first.drop()
        let second = try await gateway.welcome()
        second.message(1)
        #expect(try await second.nextAck() == offset(1))
        second.message(2)
        #expect(try await client.message().offset == offset(2))
      }
    }
  }

  @Test func aReplayThatWasAskedForGoesOnWhereItWas() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint, configure: { $0.since = .zero }) { client in
        let first = try await gateway.welcome()
        #expect(first.request.contains("&since=0-0&positions=0 "))
        first.message(7)
        _ = try await client.message()
        #expect(try await first.nextAck() == offset(7))
        first.drop()
        let second = try await gateway.welcome(after: offset(7))
        #expect(second.request.contains("&since=7-0&positions=0 "))
      }
    }
  }

  @Test func aStartAboveEverythingIsNotAskedForAgain() async throws {
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(gateway.endpoint, configure: { $0.since = offset(900) }) {
        client in
        let first = try await gateway.welcome(after: .zero, gap: true)
        #expect(first.request.contains("&since=900-0&positions=0 "))
        first.message(7)
        #expect(try await client.message().offset == offset(7))
        #expect(try await first.nextAck() == offset(7))
        first.drop()
        let second = try await gateway.welcome(after: offset(7))
        #expect(second.request.contains("&since=7-0&positions=0 "))
        second.message(8)
        #expect(try await client.message().offset == offset(8))
      }
    }
  }

  @Test func aSlowConsumerSlowsTheServerDown() async throws {
    let body = "\"" + String(repeating: "x", count: 10_000) + "\""
    let count: UInt64 = 4_000
    try await ScriptedGateway.with { gateway in
      try await RunningClient.with(
        gateway.endpoint, consumes: false, configure: { $0.bufferedEvents = 16 }
      ) { client in
        let connection = try await gateway.welcome(pingSeconds: 1)
        for number in 1...count { connection.message(number, body: body) }
        connection.send(.ping, "last")
        // Nothing is read, so nothing is answered; but the client pings.
        #expect(try await connection.next() == .pong(ByteBuffer()))
        #expect(!connection.channel.isWritable)

        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { await client.consume() }
          for number in 1...count {
            let message = try await client.message()
            #expect(message.offset == offset(number))
          }
          group.cancelAll()
        }
        var acked = Offset.zero
        while acked < offset(count - 1) {
          if case .text(let payload) = try await connection.next(),
            case .ack(let offset) = try payload.withUnsafeReadableBytes({ try ClientFrame.scan($0) }
            )
          {
            #expect(offset > acked)
            acked = offset
          }
        }
      }
    }
  }
}
