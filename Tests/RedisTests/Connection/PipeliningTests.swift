import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import Redis

@Suite("Against a real server, a client", .timeLimit(.minutes(20)))
struct PipeliningTests {
  @Test("answers in the batch's order, whatever the commands are")
  func order() async throws {
    try await withReadyClient(SharedRedis.server().url) { client in
      var batch = RedisBatch()
      batch.append("SET", "order:a", "1")
      batch.append("GET", "order:a")
      batch.append("INCR", "order:a")
      batch.append("GET", "order:none")
      batch.append("RPUSH", "order:list", "x", "", "z")
      batch.append("LRANGE", "order:list", "0", "-1")
      batch.append("LRANGE", "order:none", "0", "-1")
      batch.append("ECHO", "")
      batch.append("DEL", "order:a", "order:list")
      let values = try await client.execute(batch).trees
      #expect(
        values == [
          .string("OK"), .string("1"), .integer(2), .null, .integer(3),
          .array([.string("x"), .string(""), .string("z")]), .array([]), .string(""), .integer(2),
        ])
    }
  }

  @Test("answers a large batch completely")
  func largeBatch() async throws {
    try await withReadyClient(SharedRedis.server().url) { client in
      var batch = RedisBatch()
      for number in 0..<20_000 { batch.append("ECHO", "\(number)") }
      let replies = await client.execute(batch, timeout: .seconds(30))
      #expect(replies.count == 20_000)
      var wrong = 0
      for number in 0..<20_000 {
        var cursor = try replies.cursor(number)
        if try cursor.string() != "\(number)" { wrong += 1 }
      }
      #expect(wrong == 0)
    }
  }

  @Test("carries large and binary values unchanged")
  func largeValues() async throws {
    try await withReadyClient(SharedRedis.server().url) { client in
      for count in [0, 1, 1_000, 65_536, 8_000_000] {
        let value = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 131 &+ count) }
        var batch = RedisBatch()
        batch.append(arguments: 2, key: nil, bytes: 4 + count) { writer in
          writer.bulk("ECHO")
          value.withUnsafeBytes { writer.bulk($0) }
        }
        batch.append("PING")
        let replies = await client.execute(batch, timeout: .seconds(30))
        var cursor = try replies.cursor(0)
        let slice = try #require(try cursor.slice())
        #expect(slice.withUnsafeBytes { $0.elementsEqual(value) })
        #expect(replies.failure(1) == nil)
      }
    }
  }

  @Test("leaves the other commands of a batch alone when one is refused")
  func errorInside() async throws {
    try await withReadyClient(SharedRedis.server().url) { client in
      var batch = RedisBatch()
      batch.append("SET", "inside:text", "a")
      batch.append("INCR", "inside:text")
      batch.append("XADD", "inside:text", "*", "m", "1")
      batch.append("NOSUCHCOMMAND")
      batch.append("GET", "inside:text")
      let replies = await client.execute(batch)
      #expect(replies.failure(0) == nil)
      #expect(
        replies.failure(1)
          == .server(RedisServerError("ERR value is not an integer or out of range")))
      guard case .server(let wrongType) = replies.failure(2) else {
        Issue.record("no error from the server")
        return
      }
      #expect(wrongType.code == "WRONGTYPE")
      #expect(replies.failure(3)?.mayHaveBeenExecuted == false)
      var cursor = try replies.cursor(4)
      #expect(try cursor.string() == "a")
      // And the connection goes on.
      #expect(try await client.execute("PING").trees == [.string("PONG")])
    }
  }

  @Test("executes batches in the order of submission, and completes them in it")
  func submissionOrder() async throws {
    try await withReadyClient(SharedRedis.server().url) { client in
      let order = try await client.eventLoop.flatSubmit {
        let done = client.eventLoop.makePromise(of: [String].self)
        let log = NIOLoopBoundBox<[String]>([], eventLoop: client.eventLoop)
        for number in 0..<200 {
          var batch = RedisBatch()
          for _ in 0...number % 3 { batch.append("INCR", "submission:n") }
          client.submit(batch) { replies in
            let first = (try? replies.trees.first) ?? .null
            log.value.append("\(number): \(first)")
            if number == 199 { done.succeed(log.value) }
          }
        }
        return done.futureResult
      }.get()
      var counter = 1
      for number in 0..<200 {
        #expect(order[number] == "\(number): \(ReplyTree.integer(counter))")
        counter += 1 + number % 3
      }
      _ = try await client.execute("DEL", "submission:n")
    }
  }

  @Test("answers each of many callers with its own replies, from whatever thread they come")
  func manyCallers() async throws {
    try await withReadyClient(SharedRedis.server().url) { client in
      try await withThrowingTaskGroup(of: Int.self) { group in
        for caller in 0..<16 {
          group.addTask {
            var wrong = 0
            for round in 0..<50 {
              var batch = RedisBatch()
              for index in 0...round % 4 { batch.append("ECHO", "\(caller)/\(round)/\(index)") }
              let expected = (0...round % 4).map { ReplyTree.string("\(caller)/\(round)/\($0)") }
              if try await client.execute(batch).trees != expected { wrong += 1 }
            }
            return wrong
          }
        }
        for try await wrong in group { #expect(wrong == 0) }
      }
    }
  }

  @Test("keeps replies readable on other threads after more batches and after its end")
  func replyLifetime() async throws {
    let replies = try await withReadyClient(SharedRedis.server().url) { client in
      let replies = try await client.execute("ECHO", String(repeating: "x", count: 5_000))
      for _ in 0..<20 { _ = try await client.execute("ECHO", "another") }
      return replies
    }
    #expect(try replies.trees == [.string(String(repeating: "x", count: 5_000))])
  }

  @Test("answers an empty batch at once")
  func emptyBatch() async throws {
    try await withClient("redis://127.0.0.1:1") { client in
      let replies = await client.execute(RedisBatch())
      #expect(replies.count == 0)
      try replies.check()
    }
  }

  @Test("lets others work while a blocking read waits on a client of its own")
  func blockingRead() async throws {
    let url = try await SharedRedis.server().url
    try await withReadyClient(url) { reader in
      try await withReadyClient(url) { client in
        let popped = try await reader.begin("BLPOP", "blocking:list", "0")
        for _ in 0..<20 { #expect(try await client.execute("PING").trees == [.string("PONG")]) }
        _ = try await client.execute("RPUSH", "blocking:list", "x")
        #expect(
          try await popped.get().trees == [.array([.string("blocking:list"), .string("x")])])
      }
    }
  }

  @Test("finds a server by a name that may have several addresses")
  func byName() async throws {
    try await withReadyClient("redis://localhost:\(SharedRedis.server().port)") { client in
      let values = try await client.execute("PING").trees
      #expect(values == [.string("PONG")])
    }
  }
}
