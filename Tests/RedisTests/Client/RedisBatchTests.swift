import NIOCore
import Testing

@testable import Redis

@Suite("A batch")
struct RedisBatchTests {
  private func words(_ batch: RedisBatch, _ index: Int) -> String {
    String(decoding: batch.encoded(index), as: UTF8.self)
  }

  /// Two commands, a transaction of two, and one more.
  private func mixed() -> RedisBatch {
    var batch = RedisBatch()
    batch.append("PING")
    batch.append(key: RedisKey("a"), "GET", "a")
    batch.transaction(on: RedisKey("b")) { batch in
      batch.append(key: RedisKey("b"), "INCR", "b")
      batch.append(key: RedisKey("b"), "GET", "b")
    }
    batch.append(key: RedisKey("c"), "GET", "c")
    return batch
  }

  @Test("encloses a transaction in MULTI and EXEC, which go where its keys are")
  func transaction() {
    let batch = mixed()
    #expect(batch.count == 7)
    let names = (0..<7).map { batch.name(of: $0) }
    #expect(names == ["PING", "GET", "MULTI", "INCR", "GET", "EXEC", "GET"])
    let (a, b, c) = (HashSlot(ofKey: "a"), HashSlot(ofKey: "b"), HashSlot(ofKey: "c"))
    #expect(batch.commands.map(\.slot) == [nil, a, b, b, b, b, c])
  }

  @Test("consists of units: commands, and whole transactions")
  func units() {
    let batch = mixed()
    let units = (0..<7).map { batch.unit(at: $0) }
    #expect(units == [0..<1, 1..<2, 2..<6, 2..<6, 2..<6, 2..<6, 6..<7])
    var two = RedisBatch()
    for _ in 0..<2 {
      two.transaction(on: RedisKey("b")) { $0.append(key: RedisKey("b"), "INCR", "b") }
    }
    #expect((0..<6).map { two.unit(at: $0) } == [0..<3, 0..<3, 0..<3, 3..<6, 3..<6, 3..<6])
    var empty = RedisBatch()
    empty.transaction(on: RedisKey("b")) { _ in }
    #expect(empty.unit(at: 1) == 0..<2)
  }

  @Test("gives each command as it was written")
  func encoded() {
    let batch = mixed()
    #expect(words(batch, 0) == "*1\r\n$4\r\nPING\r\n")
    #expect(words(batch, 3) == "*2\r\n$4\r\nINCR\r\n$1\r\nb\r\n")
    #expect(words(batch, 6) == "*2\r\n$3\r\nGET\r\n$1\r\nc\r\n")
    #expect((0..<7).map { words(batch, $0) }.joined() == String(buffer: batch.bytes))
  }

  @Test("takes commands of another one as they are, wherever they stand there")
  func appendOfAnother() {
    let source = mixed()
    for start in 0...7 {
      for end in start...7 {
        var batch = RedisBatch()
        batch.append("ECHO", "before")
        batch.append(start..<end, of: source)
        batch.append("ECHO", "after")
        #expect(batch.count == end - start + 2)
        #expect(words(batch, 0).hasSuffix("before\r\n"))
        #expect(words(batch, batch.count - 1).hasSuffix("after\r\n"))
        for index in start..<end {
          let here = 1 + index - start
          #expect(words(batch, here) == words(source, index))
          #expect(batch.commands[here].slot == source.commands[index].slot)
        }
      }
    }
    var batch = RedisBatch()
    batch.append(2..<6, of: source)
    batch.append(6..<7, of: source)
    #expect(batch.unit(at: 0) == 0..<4)
    #expect(batch.unit(at: 4) == 4..<5)
  }

  @Test("asks with WAIT for the confirmation that it wants, behind everything else")
  func confirmation() {
    var batch = mixed()
    let count = batch.count
    #expect(batch.appendConfirmation() == nil)
    #expect(batch.count == count)
    batch.confirmation = RedisBatch.Confirmation(replicas: 2, milliseconds: 150)
    #expect(batch.appendConfirmation() == count)
    #expect(words(batch, count) == "*3\r\n$4\r\nWAIT\r\n$1\r\n2\r\n$3\r\n150\r\n")
    #expect(batch.commands[count].slot == nil)
    #expect(batch.unit(at: count) == count..<count + 1)
  }
}

@Suite("The confirmation of a batch")
struct ConfirmationTests {
  private let wanted = RedisBatch.Confirmation(replicas: 2, milliseconds: 150)

  private func unconfirmed(_ replicas: Int) -> RedisError {
    .unconfirmed(
      "\(replicas) of the 2 replicas asked for had it within 150 ms; see to the replicas, or lower "
        + "--durability")
  }

  private func outcome(_ replies: RedisReplies, _ index: Int) -> RedisError? {
    do throws(RedisError) {
      try replies.checkConfirmed(index)
      return nil
    } catch {
      return error
    }
  }

  @Test("is the last reply, and none of the batch's own", arguments: [0, 1, 2, 3])
  func enough(replicas: Int) throws {
    let replies = try parsed("+OK\r\n:\(replicas)\r\n").takingConfirmation(self.wanted)
    #expect(replies.count == 1)
    #expect(replies.failure(0) == nil)
    #expect(outcome(replies, 0) == (replicas < 2 ? unconfirmed(replicas) : nil))
  }

  @Test("is none if WAIT is refused, for the reason that Redis gives; the write is executed")
  func refused() throws {
    let replies = try parsed("+OK\r\n-NOPERM no\r\n").takingConfirmation(self.wanted)
    #expect(replies.failure(0) == nil)
    guard case .unconfirmed(let reason)? = outcome(replies, 0) else {
      return #expect(outcome(replies, 0) == unconfirmed(0))
    }
    #expect(reason.hasPrefix("Redis refused WAIT: NOPERM no; "))
  }

  @Test("comes after a command's own failure")
  func failures() throws {
    let replies = try parsed("-OOM no\r\n:0\r\n").takingConfirmation(self.wanted)
    #expect(outcome(replies, 0) == .server(RedisServerError("OOM no")))
    let lost = RedisReplies.failed(3, .unanswered("lost")).takingConfirmation(self.wanted)
    #expect(lost.count == 2)
    #expect(outcome(lost, 1) == .unanswered("lost"))
  }

  @Test("that did not come is none, though the command was answered")
  func missing() throws {
    let arena = try parsed("+OK\r\n")
    guard case .reply(let bytes, _, _) = arena.answer(0) else { return }
    let replies = RedisReplies(arena: bytes, count: 2, failure: .unanswered("lost"))
      .takingConfirmation(self.wanted)
    #expect(replies.failure(0) == nil)
    #expect(outcome(replies, 0) == .unanswered("lost"))
  }

  @Test("stays with each answer when a batch is taken apart")
  func apart() throws {
    let one = try parsed("+OK\r\n+OK\r\n:0\r\n").takingConfirmation(self.wanted)
    let other = try parsed("+OK\r\n:2\r\n").takingConfirmation(self.wanted)
    let replies = RedisReplies([other.answer(0), one.answer(1), one.answer(0)])
    #expect((0..<3).map { outcome(replies, $0) } == [nil, unconfirmed(0), unconfirmed(0)])
  }
}
