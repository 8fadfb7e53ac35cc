import MessageBus
import NIOCore
import Testing

@testable import ConnectCost

/// The counts themselves are made by `infra/cost/check`, of an optimized build.
@Suite("The steps whose instructions are counted")
struct CostTests {
  /// Each driver fails by itself unless every operation had its effect.
  @Test("do what they count", arguments: CostStep.allCases, [1, 16])
  func everyOperation(_ step: CostStep, batch: Int) throws {
    // More than are acknowledged at once, and several seconds of the gateway's time.
    let operations = step == .store ? 2 * BusLimits.acknowledgeEntries : 320
    try step.run(operations, batch: batch)
  }

  @Test("are not counted where an operation had none")
  func missingOperation() {
    #expect(throws: (any Error).self) {
      try CostFrames.check(9, of: 10, "messages were stored")
    }
  }

  @Test("read commands as they were written")
  func command() {
    let text = """
      *3\r\n$4\r\nXADD\r\n$22\r\nconnect:mailbox:{r-07}\r\n$3\r\n1-0\r\n\
      *1\r\n$4\r\nEXEC\r\n
      """
    ByteBuffer(string: text).withUnsafeReadableBytes { raw in
      var position = 0
      let first = CostCommand(raw, at: &position)
      #expect(first.name == "XADD")
      #expect(first.isOfMailbox)
      #expect(!first.isOfGateway)
      #expect(first.user == 7)
      #expect(String(decoding: first.second, as: UTF8.self) == "1-0")
      #expect(CostCommand(raw, at: &position).name == "EXEC")
      #expect(position == raw.count)
    }
  }

  @Test("answer only the commands that they know")
  func unknownCommand() {
    var redis = CostRedis()
    let replies = redis.replies(to: ByteBuffer(string: "*1\r\n$8\r\nFLUSHALL\r\n"))
    #expect(String(buffer: replies) == "-ERR unknown command 'FLUSHALL'\r\n")
    #expect(redis.unknown == 1)
  }

  @Test("know the last entry that is finished")
  func finished() {
    var redis = CostRedis()
    let command =
      "*5\r\n$6\r\nXGROUP\r\n$5\r\nSETID\r\n$1\r\ns\r\n$1\r\ng\r\n$4\r\n12-3\r\n"
    _ = redis.replies(to: ByteBuffer(string: command))
    #expect("\(redis.finished)" == "12-3")
    #expect(redis.unknown == 0)
  }
}
