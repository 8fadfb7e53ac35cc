import ConnectProtocol
import NIOCore
import NIOPosix
import TestSupport
import WebSocket

/// A client on a real TCP connection that does exactly what a test says, right or wrong.
package final class TestSocket: Sendable {
  let channel: any Channel
  let inbox: NIOLoopBound<Inbox>

  private init(channel: any Channel, inbox: NIOLoopBound<Inbox>) {
    self.channel = channel
    self.inbox = inbox
  }

  /// Opens a TCP connection.
  ///
  /// - Parameters:
  ///   - receiveBufferBytes: the kernel's; a small one makes a slow reader slow at once.
  ///   - text: what it says at once.
  package static func open(
    port: Int, receiveBufferBytes: Int32? = nil, saying text: String = ""
  ) async throws -> TestSocket {
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    return try await eventLoop.flatSubmit { () -> EventLoopFuture<TestSocket> in
      let inbox = NIOLoopBound(Inbox(eventLoop: eventLoop), eventLoop: eventLoop)
      var bootstrap = ClientBootstrap(group: eventLoop)
        .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      if let receiveBufferBytes {
        bootstrap = bootstrap.channelOption(
          .socketOption(.so_rcvbuf), value: SocketOptionValue(receiveBufferBytes))
      }
      return
        bootstrap
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(inbox.value)
          }
        }
        .connect(host: "127.0.0.1", port: port)
        .map { channel in
          let socket = TestSocket(channel: channel, inbox: inbox)
          // On the event loop: a busy machine may keep the test from it for longer than a server waits.
          if !text.isEmpty { socket.send(text) }
          return socket
        }
    }.get()
  }

  /// Opens a WebSocket.
  ///
  /// - Throws: ``UnexpectedAnswer`` when the server does not upgrade.
  package static func upgrade(
    port: Int, _ request: UpgradeRequest, receiveBufferBytes: Int32? = nil
  ) async throws -> (TestSocket, HTTPAnswer) {
    let socket = try await self.open(
      port: port, receiveBufferBytes: receiveBufferBytes, saying: request.text)
    var answer = try await socket.readHead()
    guard answer.status == 101 else {
      answer.body = try await socket.readToEnd()
      throw UnexpectedAnswer(answer: answer)
    }
    try await socket.startFrames()
    return (socket, answer)
  }

  /// The server has answered an upgrade with something else than 101.
  package struct UnexpectedAnswer: Error, CustomStringConvertible {
    /// Its answer.
    package let answer: HTTPAnswer

    package var description: String { "no upgrade: \(self.answer.status) \(self.answer.body)" }
  }

  // MARK: Bytes

  package func sendRaw(_ bytes: some Sequence<UInt8>) {
    self.channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
  }

  /// Sends text as it is, without a frame.
  package func send(_ text: String) { self.sendRaw(text.utf8) }

  /// Ends the TCP connection, without a close frame.
  package func close() { self.channel.close(promise: nil) }

  /// Stops reading, or goes on: a client that does not read.
  package func setReading(_ isReading: Bool) async throws {
    try await self.channel.setOption(.autoRead, value: isReading).get()
  }

  /// Leaves its side of the connection open when the server ends its own.
  package func stayOpen() async throws {
    try await self.channel.setOption(.allowRemoteHalfClosure, value: true).get()
  }

  /// Whether pings are answered as they come (they are, at first); else they are events.
  package func setAnswersPings(_ answers: Bool) async throws {
    try await self.channel.eventLoop.submit { [inbox] in inbox.value.answersPings = answers }.get()
  }

  /// Whether a close is answered as it comes (it is, at first). It is an event in any case.
  package func setAnswersClose(_ answers: Bool) async throws {
    try await self.channel.eventLoop.submit { [inbox] in inbox.value.answersClose = answers }.get()
  }

  /// Treats everything from here on as frames.
  package func startFrames() async throws {
    try await self.channel.eventLoop.submit { [inbox] in inbox.value.startFrames() }.get()
  }

  // MARK: HTTP

  package func readHead() async throws -> HTTPAnswer {
    try await self.wait(for: "HTTP answer") { received in
      let view = received.bytes.readableBytesView
      let end = Array("\r\n\r\n".utf8)
      guard let range = view.firstRange(of: end) else {
        guard !received.hasEnded else {
          throw TestFailure(
            "the connection ended after \(view.count) bytes, before an HTTP answer was complete")
        }
        return nil
      }
      let text = String(decoding: view[..<range.lowerBound], as: UTF8.self)
      guard let answer = HTTPAnswer(head: text) else {
        throw TestFailure("the answer is not HTTP/1.1: \(text)")
      }
      received.bytes.moveReaderIndex(to: range.upperBound)
      return answer
    }
  }

  /// The next `count` bytes.
  package func readText(_ count: Int) async throws -> String {
    try await self.wait(for: "body of \(count) bytes") { received in
      if let text = received.bytes.readString(length: count) { return text }
      guard !received.hasEnded else { throw TestFailure("the connection ended within a body") }
      return nil
    }
  }

  /// All bytes up to the end of the connection.
  package func readToEnd() async throws -> String {
    try await self.wait(for: "end of the connection") { received in
      guard received.hasEnded else { return nil }
      defer { received.bytes.clear() }
      return String(buffer: received.bytes)
    }
  }

  func wait<Value: Sendable>(
    for what: String, within wait: Duration = TestWaits.usual,
    _ attempt: @escaping @Sendable (inout Received) throws -> Value?
  ) async throws -> Value {
    try await self.channel.eventLoop.flatSubmit { [inbox] in
      inbox.value.wait(for: what, within: wait, attempt)
    }.get()
  }
}
