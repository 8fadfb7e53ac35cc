import LocalRedis
import TestSupport
import Testing

@testable import Redis

@Suite("A write that replicas do not confirm", .timeLimit(.minutes(20)))
struct UnconfirmedWriteTests {
  private func write(_ key: String, to client: any RedisClient) async -> RedisReplies {
    var batch = RedisBatch(["SET", key, "1"])
    batch.confirmation = RedisBatch.Confirmation(replicas: 1, milliseconds: 5)
    return await client.execute(batch)
  }

  private func failure(_ replies: RedisReplies) -> RedisError? {
    do throws(RedisError) {
      try replies.checkConfirmed(0)
      return nil
    } catch {
      return error
    }
  }

  @Test("is reported with its server, once however often it happens")
  func reportedOnce() async throws {
    let server = try await SharedRedis.server()
    let log = EventLog("redis", from: .warning)
    let configuration = try RedisConfiguration(url: RedisURL(parsing: server.url))
    try await withClient(configuration, logger: log.logger) { client in
      try await client.waitUntilReady()
      for number in 0..<3 {
        let replies = await self.write("unconfirmed:report", to: client)
        try replies.check()
        guard case .unconfirmed? = self.failure(replies) else {
          Issue.record("write \(number): \(self.failure(replies)?.description ?? "confirmed")")
          continue
        }
      }
      // Only the replicas are missing: reads and other writes are as ever.
      #expect(try await client.execute("GET", "unconfirmed:report").trees == [.string("1")])
    }
    #expect(log.events == ["redis.unconfirmed 127.0.0.1:\(server.port)"])
  }

  /// As a primary does that was demoted: the batch goes to the next one, and no replica is missing.
  @Test("is not reported where Redis has refused the write, too")
  func refusedToo() async throws {
    // Of its own: a replica would confirm what others write to a shared one.
    let primary = try await LocalRedisServer.start()
    var options = LocalRedisServer.Options()
    options.extraArguments = ["--replicaof", "127.0.0.1", "\(primary.port)"]
    let replica = try await LocalRedisServer.start(options)
    let log = EventLog(from: .warning)
    let configuration = try RedisConfiguration(url: RedisURL(parsing: replica.url))
    try await withClient(configuration, logger: log.logger) { client in
      try await client.waitUntilReady()
      let replies = await self.write("unconfirmed:replica", to: client)
      #expect(replies.serverError(0)?.code == "READONLY")
      #expect(self.failure(replies) == .server(try #require(replies.serverError(0))))
    }
    #expect(log.count("redis.unconfirmed") == 0)
    await replica.stop()
    await primary.stop()
  }

  @Test("says why, and that it may be executed, where Redis refuses to ask the replicas")
  func refused() async throws {
    let server = try await SharedRedis.server()
    try await server.command("ACL", "SETUSER", "hasty", "on", ">secret", "~hasty", "+@all", "-wait")
    let url = "redis://hasty:secret@127.0.0.1:\(server.port)"
    let log = EventLog("error", from: .warning)
    let configuration = try RedisConfiguration(url: RedisURL(parsing: url))
    try await withClient(configuration, logger: log.logger) { client in
      try await client.waitUntilReady()
      let replies = await self.write("hasty", to: client)
      let error = try #require(self.failure(replies))
      guard case .unconfirmed = error else { return #expect(error == .unconfirmed("")) }
      #expect("\(error)".contains("Redis refused WAIT: NOPERM"))
      #expect(error.mayHaveBeenExecuted)
      #expect(try await client.execute("GET", "hasty").trees == [.string("1")])
      #expect(log.events == ["redis.unconfirmed \(error)"])
    }
  }
}
