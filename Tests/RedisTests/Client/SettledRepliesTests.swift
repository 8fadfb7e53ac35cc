import Testing

@testable import Redis

@Suite("Replies to a part of a batch")
struct SettledRepliesTests {
  private func integers(_ cursor: inout ReplyCursor) throws(RedisError) -> Int {
    try cursor.integer()
  }

  private func settled(_ commands: Range<Int>, _ resp: String) throws -> SettledReplies {
    SettledReplies(
      commands, try RedisReplies(parsing: Array(resp.utf8), count: commands.count))
  }

  @Test("are read by the places in the whole batch, and contain no others")
  func places() throws {
    var batch = RedisBatch()
    let replies = (0..<4).map { batch.append("INCR", "\($0)").integer() }
    let settled = try self.settled(1..<3, ":11\r\n:12\r\n")
    #expect(settled.count == 2)
    #expect(replies.map { settled.contains($0) } == [false, true, true, false])
    #expect(try settled[replies[1]] == 11)
    #expect(try settled[replies[2]] == 12)
  }

  @Test("are told by their positions among commands of another batch that were appended")
  func ranges() throws {
    var part = RedisBatch()
    for number in 0..<4 { part.append("INCR", "\(number)") }
    var batch = RedisBatch()
    let first = batch.append(part, of: self.integers)
    batch.append("PING")
    let second = batch.append(part, of: self.integers)
    #expect(batch.count == 9)
    let settled = try self.settled(3..<7, ":3\r\n+PONG\r\n:5\r\n:6\r\n")
    #expect(settled.positions(in: first) == 3..<4)
    #expect(settled.positions(in: second) == 0..<2)
    #expect(try settled[first[3]] == 3)
    #expect(try settled.positions(in: second).map { try settled[second[$0]] } == [5, 6])
    #expect(try self.settled(7..<9, ":7\r\n:8\r\n").positions(in: first).isEmpty)
  }

  @Test("have a transaction as a whole, or none of it")
  func transactions() throws {
    let key = RedisKey("k")
    var batch = RedisBatch()
    batch.append("PING")
    let transaction = batch.transaction(on: key, of: self.integers) { batch in
      for _ in 0..<2 { batch.append(key: key, "INCR", "k") }
    }
    let settled = try self.settled(1..<5, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:2\r\n")
    #expect(settled.contains(transaction))
    #expect(try settled[transaction] == [.success(1), .success(2)])
    #expect(try !self.settled(0..<1, "+PONG\r\n").contains(transaction))
  }

  @Test("tell whether a write was confirmed")
  func confirmation() throws {
    var batch = RedisBatch()
    batch.append("PING")
    let write = batch.append("SET", "k", "1")
    let replies = try RedisReplies(parsing: Array("+OK\r\n:0\r\n".utf8), count: 2)
      .takingConfirmation(RedisBatch.Confirmation(replicas: 1, milliseconds: 1))
    #expect(throws: RedisError.self) { try SettledReplies(1..<2, replies).checkConfirmed(write) }
  }
}
