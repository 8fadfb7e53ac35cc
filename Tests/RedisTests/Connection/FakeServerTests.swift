import NIOCore
import TestSupport
import Testing

@testable import Redis

@Suite("Of a server that is not Redis, a client", .timeLimit(.minutes(20)))
struct FakeServerTests {
  private static let pong = "+PONG\r\n"

  @Test(
    "says what is wrong with it",
    arguments: [
      "HTTP/1.1 400 Bad Request\r\n\r\n", "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}", "%1\r\n+a\r\n+b\r\n",
    ])
  func wrongProtocol(answer: String) async throws {
    try await FakeServer.run(answer: { _ in .text(answer) }) { server in
      guard case .unanswered(let reason) = try await RedisTests.failure(of: server.url) else {
        Issue.record("was taken for a Redis")
        return
      }
      #expect(reason.contains("not RESP2"))
    }
  }

  @Test(
    "does not take it for ready when it says more than the handshake asked",
    arguments: ["+PONG\r\n+more\r\n", "+PONG\r\n+mo"])
  func surplusInHandshake(answer: String) async throws {
    try await FakeServer.run(answer: { _ in .text(answer) }) { server in
      let failure = try await RedisTests.failure(of: server.url)
      #expect(failure == .unanswered("Redis sent a reply that nothing had asked for"))
      try await withClient(server.url) { client in
        // It says so to whoever submits, and goes on trying.
        let isReported = try await eventually {
          guard case .unavailable(let reason) = try await client.execute("PING").failure(0) else {
            return false
          }
          return reason.contains("nothing had asked for")
        }
        #expect(isReported)
        #expect(try await !client.isReadyNow())
      }
    }
  }

  @Test("gives up when it closes the connection at once")
  func closesAtOnce() async throws {
    try await FakeServer.run(answer: { _ in .last("") }) { server in
      let failure = try await RedisTests.failure(of: server.url)
      #expect(
        failure
          == .unanswered(
            "Redis closed the connection; if the port serves TLS, the URL must begin with rediss://"
          ))
    }
  }

  /// As a server with TLS does that waits for a client's hello. Takes the handshake's deadline, 5 s.
  @Test("gives up when it says nothing")
  func silent() async throws {
    try await FakeServer.run(answer: { _ in .text("") }) { server in
      let failure = try await RedisTests.failure(of: server.url)
      #expect(
        failure
          == .unavailable(
            "cannot connect to \(server.address): no answer to the login; if the port serves TLS, the "
              + "URL must begin with rediss://"))
    }
  }

  @Test(
    "closes the connection on what it did not ask for, and opens another",
    arguments: [
      "+hello\r\n", "+hal", "*2\r\n:1\r\n", "$100\r\nabc",
    ])
  func unsolicited(surplus: String) async throws {
    try await FakeServer.run(answer: { count in
      // With the handshake's answer on the first command: nothing is due after it.
      .text(count == 0 ? Self.pong : "+answer\r\n\(surplus)")
    }) { server in
      try await withReadyClient(server.url) { client in
        for _ in 0..<3 {
          #expect(try await client.execute("GET", "x").trees == [.string("answer")])
          // Either there is no connection yet, or a new one.
          let again = try await client.execute("GET", "x")
          #expect(again.failure(0)?.mayHaveBeenExecuted != true)
          try await client.waitUntilReady()
        }
      }
    }
  }

  @Test("closes the connection on a broken reply, and fails what was behind it as unanswered")
  func brokenReply() async throws {
    try await FakeServer.run(answer: { .text($0 == 0 ? Self.pong : "+1\r\n~1\r\n+2\r\n") }) {
      server in
      try await withReadyClient(server.url) { client in
        var batch = RedisBatch()
        for _ in 0..<3 { batch.append("PING") }
        let replies = await client.execute(batch)
        #expect(replies.failure(0) == nil)
        #expect(replies.failure(1)?.isUnanswered == true)
        #expect(replies.failure(2)?.isUnanswered == true)
        try await client.waitUntilReady()
      }
    }
  }

  @Test(
    "is not listened to for long before the login is done",
    arguments: ["+", "-", "$100000000\r\n", "*100000000\r\n"])
  func endlessLogin(beginning: String) async throws {
    // As long as it has to be, and no end of the reply.
    let rest = beginning.hasPrefix("*") ? ":1\r\n" : "x"
    let count = (RedisLimits.maximumLoginReplyBytes + 1) / rest.utf8.count + 1
    let answer = beginning + String(repeating: rest, count: count)
    try await FakeServer.run(answer: { _ in .text(answer) }) { server in
      guard case .unanswered(let reason) = try await RedisTests.failure(of: server.url) else {
        Issue.record("was taken for a Redis, or waited for")
        return
      }
      #expect(
        reason.hasPrefix(
          "a reply is longer than \(RedisLimits.maximumLoginReplyBytes) bytes, the limit for what "
            + "was asked"))
    }
  }

  @Test("closes the connection on a reply that is longer than what was asked for can be")
  func oversized() async throws {
    let value = String(repeating: "x", count: 300_000)
    try await FakeServer.run(
      answer: { .text($0 == 0 ? Self.pong : "$300000\r\n\(value)\r\n+2\r\n") }
    ) { server in
      try await withReadyClient(server.url) { client in
        for (maximum, isTaken) in [(100_000, false), (400_000, true)] {
          try await client.waitUntilReady()
          var batch = RedisBatch()
          batch.append("GET", "x")
          batch.append("PING")
          batch.maximumReplyBytes = maximum
          let replies = await client.execute(batch)
          if isTaken {
            #expect(try replies.trees == [.string(value), .string("2")])
          } else {
            #expect(replies.failure(0)?.isOversized == true)
            #expect(replies.failure(1)?.isOversized == true)
            #expect(replies.failure(0)?.isUnanswered == true)
          }
        }
      }
    }
  }

  @Test("keeps what was answered of a batch when the connection ends in its middle")
  func endsInMiddle() async throws {
    try await FakeServer.run(
      answer: { $0 == 0 ? .text(Self.pong) : .last("+1\r\n*2\r\n:1\r\n") }
    ) { server in
      try await withReadyClient(server.url) { client in
        var batch = RedisBatch()
        for _ in 0..<3 { batch.append("PING") }
        let replies = await client.execute(batch)
        #expect(replies.failure(0) == nil)
        #expect(replies.failure(1) == .unanswered("Redis closed the connection"))
        #expect(replies.failure(2) == .unanswered("Redis closed the connection"))
      }
    }
  }
}
