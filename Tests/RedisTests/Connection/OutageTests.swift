import LocalRedis
import NIOCore
import TestSupport
import Testing

@testable import Redis

@Suite("In an outage, a client", .timeLimit(.minutes(20)))
struct OutageTests {
  @Test("fails at once, as never sent, while nobody listens")
  func unreachable() async throws {
    try await withClient("redis://127.0.0.1:1") { client in
      let isRefused = try await eventually {
        guard case .unavailable(let reason) = try await client.execute("PING").failure(0) else {
          return false
        }
        return reason.contains("cannot connect")
      }
      #expect(isRefused)
      #expect(try await !client.isReadyNow())
    }
  }

  @Test("fails at once, as never sent, before it is connected")
  func notYetConnected() async throws {
    try await FakeServer.run(answer: { _ in .text("") }) { server in
      try await withClient(server.url) { client in
        let failure = try await client.execute("PING").failure(0)
        #expect(failure?.isUnavailable == true)
      }
    }
  }

  @Test("tells what was sent from what was not, and comes back with the server")
  func restart() async throws {
    try await RedisFixture.withServer(persistence: .appendOnly(fsync: .always)) { server in
      try await withReadyClient(server.url) { client in
        try await client.execute("SET", "x", "before").check()
        server.pause()
        let sent = try await client.begin("INCR", "n")
        let sentToo = try await client.begin("INCR", "n")
        await server.kill()
        #expect(try await sent.get().failure(0)?.isUnanswered == true)
        #expect(try await sentToo.get().failure(0)?.isUnanswered == true)

        #expect(try await client.execute("PING").failure(0)?.isUnavailable == true)
        try await server.restart()
        try await client.waitUntilReady()
        #expect(try await client.execute("GET", "x").trees == [.string("before")])
      }
    }
  }

  @Test("gives up on a server that has stopped answering, and comes back when it answers")
  func deadline() async throws {
    try await RedisFixture.withServer { server in
      try await withReadyClient(server.url) { client in
        server.pause()
        // Both in one turn of the loop: the second is under way when the first is overdue.
        let replies = try await client.eventLoop.flatSubmit {
          let first = client.eventLoop.makePromise(of: RedisReplies.self)
          let second = client.eventLoop.makePromise(of: RedisReplies.self)
          client.submit(RedisBatch(["SET", "x", "1"]), timeout: .milliseconds(150)) {
            first.succeed($0)
          }
          client.submit(RedisBatch(["GET", "x"]), timeout: .seconds(50)) { second.succeed($0) }
          return first.futureResult.and(second.futureResult)
        }.get()
        let failures = [replies.0.failure(0), replies.1.failure(0)]
        #expect(failures == Array(repeating: .unanswered("no reply within the deadline"), count: 2))
        #expect(try await client.execute("PING").failure(0)?.isUnavailable == true)
        server.resume()
        try await client.waitUntilReady()
        #expect(try await client.execute("PING").trees == [.string("PONG")])
      }
    }
  }

  /// The suite's time limit is what fails here.
  @Test("keeps a short deadline after a long one")
  func shortDeadlineAfterLong() async throws {
    try await RedisFixture.withServer { server in
      try await withReadyClient(server.url) { client in
        try await client.execute(timeout: .hours(1), "PING").check()
        server.pause()
        let replies = try await client.execute(timeout: .milliseconds(100), "PING")
        #expect(replies.failure(0) == .unanswered("no reply within the deadline"))
        server.resume()
      }
    }
  }

  @Test("refuses more than it may hold unanswered, and answers what it took")
  func maximumUnansweredBytes() async throws {
    try await RedisFixture.withServer { server in
      try await withReadyClient(server.url) { client in
        let half = String(repeating: "x", count: RedisLimits.maximumUnansweredBytes * 5 / 8)
        server.pause()
        let taken = try await client.begin("STRLEN", half)
        let refused = try await client.execute("STRLEN", half)
        guard case .unavailable(let reason) = refused.failure(0) else {
          Issue.record("was not refused")
          return
        }
        #expect(reason.hasSuffix("bytes of commands are unanswered"))
        let small = try await client.begin("PING")
        server.resume()
        #expect(try await taken.get().trees == [.integer(0)])
        #expect(try await small.get().trees == [.string("PONG")])
        #expect(try await client.execute("STRLEN", half).trees == [.integer(0)])
      }
    }
  }

  @Test("answers everything exactly once when completions submit and close in the middle")
  func reentrance() async throws {
    try await withReadyClient(SharedRedis.server().url) { client in
      let promise = client.eventLoop.makePromise(of: [String].self)
      try await client.eventLoop.submit {
        let log = NIOLoopBoundBox<[String]>([], eventLoop: client.eventLoop)
        let note = { (name: String, replies: RedisReplies) in
          let outcome =
            switch replies.failure(0) {
            case nil: "answered"
            case .unavailable: "unavailable"
            case .unanswered: "unanswered"
            default: "refused"
            }
          log.value.append("\(name) \(outcome)")
        }
        client.submit(RedisBatch(["ECHO", "a"])) { replies in
          note("a", replies)
          client.submit(RedisBatch(["ECHO", "c"])) { note("c", $0) }
          _ = client.close()
          client.submit(RedisBatch(["ECHO", "d"])) { replies in
            note("d", replies)
            promise.succeed(log.value)
          }
        }
        client.submit(RedisBatch(["ECHO", "b"])) { replies in
          note("b", replies)
          client.submit(RedisBatch(["ECHO", "e"])) { note("e", $0) }
        }
      }.get()
      #expect(
        try await promise.futureResult.get()
          == ["a answered", "b unanswered", "e unavailable", "c unanswered", "d unavailable"])
    }
  }

  @Test("fails what is under way when it is closed, as perhaps executed")
  func close() async throws {
    try await withReadyClient(SharedRedis.server().url) { client in
      let waiting = try await client.begin("BLPOP", "close:none", "0")
      try await client.close().get()
      #expect(try await waiting.get().failure(0)?.isUnanswered == true)
      #expect(
        try await client.execute("PING").failure(0)
          == .unavailable("the client is closed"))
      await #expect(throws: RedisError.unavailable("the client is closed")) {
        try await client.whenReady().get()
      }
      try await client.close().get()
    }
  }

  @Test("fails those who wait for it when it is closed before it ever was connected")
  func closedWhileConnecting() async throws {
    try await FakeServer.run(answer: { _ in .text("") }) { server in
      try await withClient(server.url) { client in
        let ready = client.whenReady()
        try await client.close().get()
        await #expect(throws: RedisError.unavailable("the client is closed")) {
          try await ready.get()
        }
      }
    }
  }
}
