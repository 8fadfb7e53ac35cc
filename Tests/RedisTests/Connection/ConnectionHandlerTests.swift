import NIOCore
import NIOEmbedded
import Testing

@testable import Redis

/// Without a network: the other side is what the test writes into the channel.
@Suite("A connection's handler")
struct ConnectionHandlerTests {
  /// A handler in a channel, and all that it has reported.
  final class Harness {
    let handler = RedisConnectionHandler()
    let channel: EmbeddedChannel
    var log: [String] = []
    var closings: [RedisError] = []

    init() throws {
      self.channel = EmbeddedChannel()
      self.handler.onClose = { [weak self] in self?.closings.append($0.reason) }
      try self.channel.pipeline.syncOperations.addHandler(self.handler)
      try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    /// Submits one command, and logs `name: values` when it is done.
    func submit(
      _ name: String, commands: Int = 1, then: @escaping (RedisReplies) -> Void = { _ in }
    ) {
      var batch = RedisBatch()
      for _ in 0..<commands { batch.append("ECHO", name) }
      self.handler.submit(batch, timeout: .seconds(5)) { replies in
        let texts = (0..<commands).map { index -> String in
          switch replies.failure(index) {
          case nil:
            var cursor = try! replies.cursor(index)
            return (try? cursor.string()) ?? "array"
          case .unavailable, .withheld: return "unavailable"
          case .unanswered: return "unanswered"
          case .unconfirmed: return "unconfirmed"
          case .server(let error): return error.message
          case .unexpectedReply: return "unexpected"
          }
        }
        self.log.append("\(name): \(texts.joined(separator: " "))")
        then(replies)
      }
    }

    func receive(_ text: String) throws {
      try self.channel.writeInbound(ByteBuffer(string: text))
    }

    deinit { _ = try? self.channel.finish(acceptAlreadyClosed: true) }
  }

  @Test("sorts the replies of one segment to their batches")
  func oneSegment() throws {
    let harness = try Harness()
    harness.submit("a")
    harness.submit("b", commands: 2)
    harness.submit("c")
    try harness.receive("+1\r\n+2\r\n-ERR 3\r\n+4\r\n")
    #expect(harness.log == ["a: 1", "b: 2 ERR 3", "c: 4"])
    #expect(harness.channel.isActive)
  }

  @Test("sorts them however they are cut")
  func anyCut() throws {
    let text = "$3\r\nabc\r\n+2\r\n*1\r\n+3\r\n+4\r\n"
    for cut in 0...text.utf8.count {
      let harness = try Harness()
      harness.submit("a")
      harness.submit("b", commands: 2)
      harness.submit("c")
      try harness.receive(String(decoding: text.utf8.prefix(cut), as: UTF8.self))
      try harness.receive(String(decoding: text.utf8.dropFirst(cut), as: UTF8.self))
      #expect(harness.log == ["a: abc", "b: 2 array", "c: 4"], "cut at \(cut)")
    }
  }

  @Test("takes batch after batch, each with its own replies")
  func oneAfterTheOther() throws {
    let harness = try Harness()
    for round in 0..<50 {
      let text = String(repeating: "x", count: round * 50)
      harness.submit("\(round)")
      try harness.receive("$\(text.utf8.count)\r\n\(text)\r\n")
      #expect(harness.log == ["\(round): \(text)"])
      harness.log = []
    }
    #expect(harness.channel.isActive)
  }

  @Test("keeps the order when a completion submits")
  func submittingCompletion() throws {
    let harness = try Harness()
    harness.submit("a") { _ in harness.submit("c") { _ in harness.submit("d") } }
    harness.submit("b")
    try harness.receive("+1\r\n+2\r\n")
    try harness.receive("+3\r\n")
    try harness.receive("+4\r\n")
    #expect(harness.log == ["a: 1", "b: 2", "c: 3", "d: 4"])
  }

  @Test("fails what is under way as perhaps executed when it is closed, whatever for")
  func closed() throws {
    for reason in [RedisError.unavailable("the client is closed"), .unanswered("gone")] {
      let harness = try Harness()
      harness.submit("a", commands: 2)
      harness.submit("b")
      try harness.receive("+1\r\n")
      harness.handler.close(reason)
      #expect(harness.log == ["a: 1 unanswered", "b: unanswered"])
      #expect(harness.closings == [reason])
      harness.channel.embeddedEventLoop.run()
      #expect(!harness.channel.isActive)
      harness.submit("c")
      #expect(harness.log.last == "c: unavailable")
      #expect(harness.closings == [reason])
    }
  }

  @Test("refuses as never sent what a completion submits when the connection is lost")
  func submittingOnLoss() throws {
    let harness = try Harness()
    harness.submit("a") { _ in harness.submit("b") }
    harness.channel.pipeline.fireChannelInactive()
    #expect(harness.log == ["a: unanswered", "b: unavailable"])
    #expect(harness.closings == [.unanswered("Redis closed the connection")])
  }

  @Test("leaves alone what it has handed over when a completion closes it in mid-segment")
  func closingCompletion() throws {
    let harness = try Harness()
    var handedOver: RedisReplies?
    harness.submit("a") { _ in harness.handler.close(.unavailable("enough")) }
    harness.submit("b", commands: 2) { handedOver = $0 }
    harness.submit("c")
    try harness.receive("+1\r\n+2\r\n+3\r\n+4\r\n")
    #expect(harness.log == ["a: 1", "b: unanswered unanswered", "c: unanswered"])
    let replies = try #require(handedOver)
    #expect(replies.failure(0) == .unanswered("Redis is unavailable: enough"))
    #expect(harness.closings == [.unavailable("enough")])
    // What comes still is nobody's.
    try? harness.receive("+5\r\n")
    #expect(replies.failure(1) != nil)
    #expect(harness.log.count == 3)
  }

  @Test(
    "closes on bytes that nobody asked for",
    arguments: ["+hello\r\n", "+hel", "+", ":1\r\n:2\r\n", "*2\r\n", "garbage\r\n"])
  func unsolicited(text: String) throws {
    let harness = try Harness()
    try harness.receive(text)
    #expect(harness.closings.count == 1)
    harness.submit("a")
    #expect(harness.log == ["a: unavailable"])
    harness.channel.embeddedEventLoop.run()
    #expect(!harness.channel.isActive)
  }

  @Test(
    "closes on bytes after the last reply that was due, in the same segment or the next",
    arguments: ["+more\r\n", "+mo", "*3\r\n:1\r\n", "garbage\r\n"], [true, false])
  func surplus(text: String, isSameSegment: Bool) throws {
    let harness = try Harness()
    harness.submit("a")
    if isSameSegment {
      try harness.receive("+1\r\n\(text)")
    } else {
      try harness.receive("+1\r\n")
      try harness.receive(text)
    }
    #expect(harness.log == ["a: 1"])
    #expect(harness.closings.count == 1)
    harness.submit("b")
    #expect(harness.log == ["a: 1", "b: unavailable"])
  }

  @Test("never gives surplus bytes to a batch that was submitted after they came")
  func surplusBeforeSubmitting() throws {
    let harness = try Harness()
    harness.submit("a") { _ in harness.submit("b") }
    try harness.receive("+1\r\n+not b's\r\n")
    #expect(harness.log == ["a: 1", "b: unavailable"])
    #expect(harness.closings.count == 1)
  }

  @Test("fails the rest when a reply is not RESP2")
  func protocolError() throws {
    let harness = try Harness()
    harness.submit("a")
    harness.submit("b", commands: 2)
    harness.submit("c")
    try harness.receive("+1\r\n+2\r\n%1\r\n+a\r\n+b\r\n")
    #expect(harness.log == ["a: 1", "b: 2 unanswered", "c: unanswered"])
    #expect(harness.closings.count == 1)
  }

  @Test("reports its end once, however many causes it has")
  func endsOnce() throws {
    let harness = try Harness()
    harness.submit("a")
    harness.channel.pipeline.fireErrorCaught(ChannelError.ioOnClosedChannel)
    harness.handler.close(.unanswered("second"))
    harness.channel.embeddedEventLoop.run()
    _ = try? harness.channel.finish(acceptAlreadyClosed: true)
    #expect(harness.closings == [.unanswered("\(ChannelError.ioOnClosedChannel)")])
    #expect(harness.log == ["a: unanswered"])
  }
}
