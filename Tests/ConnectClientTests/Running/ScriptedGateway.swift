import ConnectProtocol
import DequeModule
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TestSupport
import WebSocket

@testable import ConnectClient
@testable import ConnectTestStand

extension ServerBootstrap {
  /// Runs a test with a listener on a port of this machine, a free one unless it is given.
  ///
  /// A given one may be held for a moment: by a test that looks for a free port, or by a process about to start, which
  /// has a copy of the listener that was closed.
  func withListener<Result>(
    port: Int = 0, _ body: (any Channel) async throws -> Result
  ) async throws -> Result {
    let listener = try await eventually("port \(port) is free") {
      do {
        return try await self.bind(host: "127.0.0.1", port: port).get()
      } catch let error as IOError where error.errnoCode == EADDRINUSE {
        return nil
      }
    }
    do {
      let result = try await body(listener)
      try await listener.close()
      return result
    } catch {
      try? await listener.close()
      throw error
    }
  }
}

/// A gateway that does what a test tells it, wrong things too: for what a real one does only in an
/// accident.
final class ScriptedGateway: Sendable {
  let port: Int
  private let listener: any Channel
  private let state: NIOLockedValueBox<State>

  private struct State {
    /// The answers to the next connections, instead of an upgrade.
    var refusals = Deque<String>()
    var connections = Deque<ScriptedConnection>()
  }

  /// Runs a test with a gateway on a free port, or on one that was free a moment ago.
  @discardableResult
  static func with<Result>(
    port: Int = 0, _ body: (ScriptedGateway) async throws -> Result
  ) async throws -> Result {
    let state = NIOLockedValueBox(State())
    let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(
            ScriptedHandler { connection in
              state.withLockedValue { state in
                if let refusal = state.refusals.popFirst() { return refusal }
                state.connections.append(connection)
                return nil
              }
            })
        }
      }
    return try await bootstrap.withListener(port: port) { listener in
      try await body(ScriptedGateway(listener: listener, state: state))
    }
  }

  private init(listener: any Channel, state: NIOLockedValueBox<State>) {
    self.listener = listener
    self.state = state
    self.port = listener.localAddress!.port!
  }

  var endpoint: ConnectEndpoint { ConnectEndpoint(host: "127.0.0.1", port: self.port) }

  /// Answers one of the next connections with this text.
  func refuse(_ status: String, headers: String = "", body: String = "") {
    let text =
      "HTTP/1.1 \(status)\r\n\(headers)content-length: \(body.utf8.count)\r\n\r\n\(body)"
    self.state.withLockedValue { $0.refusals.append(text) }
  }

  /// The next connection, upgraded but not welcomed.
  func accept() async throws -> ScriptedConnection {
    try await eventually("a client connects") {
      self.state.withLockedValue { $0.connections.popFirst() }
    }
  }

  /// The next connection, welcomed and live.
  func welcome(
    after offset: Offset = .zero, gap: Bool = false, unacked: Int = 256, sendsPerSecond: Int = 0,
    pingSeconds: Int = 25
  ) async throws -> ScriptedConnection {
    let connection = try await self.accept()
    connection.welcome(
      after: offset, gap: gap, unacked: unacked, sendsPerSecond: sendsPerSecond,
      pingSeconds: pingSeconds)
    return connection
  }
}

/// A connection of a ``ScriptedGateway``.
final class ScriptedConnection: Sendable {
  /// The head of the request.
  let request: String
  let channel: any Channel
  fileprivate let events = NIOLockedValueBox(Deque<WebSocketDecoder.Event>())
  fileprivate let hasEnded = NIOLockedValueBox(false)

  fileprivate init(request: String, channel: any Channel) {
    self.request = request
    self.channel = channel
  }

  private func write(_ body: (inout ByteBuffer) -> Void) {
    var buffer = ByteBuffer()
    body(&buffer)
    self.channel.writeAndFlush(buffer, promise: nil)
  }

  func send(_ body: (inout ByteBuffer) -> Void) {
    self.write { $0.writeWebSocketFrame(.text) { body(&$0) } }
  }

  func send(_ text: String) { self.send { _ = $0.writeString(text) } }

  func send(_ opcode: WebSocketOpcode, _ payload: String) {
    self.write { $0.writeWebSocketFrame(opcode) { _ = $0.writeString(payload) } }
  }

  func welcome(
    after offset: Offset = .zero, gap: Bool = false, unacked: Int = 256, sendsPerSecond: Int = 0,
    pingSeconds: Int = 25
  ) {
    self.send {
      _ = $0.writeWelcome(
        ConnectClientTests.welcome(
          offset: offset, gap: gap, unacked: unacked, sendsPerSecond: sendsPerSecond,
          pingSeconds: pingSeconds))
    }
    self.send { _ = $0.writeLive(offset) }
  }

  func message(_ number: UInt64, id: String? = nil, body: String = "1") {
    let id = id ?? "b\(number)"
    self.send(
      """
      {"type":"message","offset":"\(number)-0","from":"bob","id":"\(id)","at":1,"body":\(body)}
      """)
  }

  func accept(_ send: ClientFrame.Send, _ number: UInt64) {
    self.send("{\"type\":\"accepted\",\"id\":\"\(send.id)\",\"offset\":\"\(number)-0\"}")
  }

  func reject(
    _ send: ClientFrame.Send, _ code: RejectionCode = .unavailable, retryAfter: Int?
  ) {
    let wait = retryAfter.map { ",\"retryAfterMs\":\($0)" } ?? ""
    self.send(
      """
      {"type":"rejected","id":"\(send.id)","code":"\(code.rawValue)","message":"x",\
      "retryable":\(retryAfter != nil)\(wait)}
      """)
  }

  func close(_ code: CloseCode, _ reason: String = "") {
    self.write { $0.writeWebSocketClose(code: code.rawValue, reason: reason) }
  }

  /// Ends the socket without a word.
  func drop() { self.channel.close(promise: nil) }

  /// The next frame of the client.
  func next() async throws -> WebSocketDecoder.Event {
    try await eventually("the client says something") {
      self.events.withLockedValue { $0.popFirst() }
    }
  }

  func nextFrame() async throws -> ClientFrame {
    let event = try await self.next()
    guard case .text(let payload) = event else { throw TestFailure("not a text: \(event)") }
    return try payload.withUnsafeReadableBytes { try ClientFrame.scan($0) }
  }

  func nextSend() async throws -> ClientFrame.Send {
    let frame = try await self.nextFrame()
    guard case .send(let send) = frame else { throw TestFailure("not a send: \(frame)") }
    return send
  }

  func nextAck() async throws -> Offset {
    let frame = try await self.nextFrame()
    guard case .ack(let offset) = frame else { throw TestFailure("not an ack: \(frame)") }
    return offset
  }

  func nextClose() async throws -> UInt16? {
    var event = try await self.next()
    // As long as it has no list, a client asks for it again, which on a busy machine may come before.
    while case .text(let payload) = event,
      case .conversations = try payload.withUnsafeReadableBytes({ try ClientFrame.scan($0) })
    { event = try await self.next() }
    guard case .close(let code, _) = event else { throw TestFailure("not a close: \(event)") }
    return code
  }

  /// Whether nothing further has come so far.
  var isQuiet: Bool { self.events.withLockedValue { $0.isEmpty } }

  func ended() async throws {
    try await eventually("the client's socket ends") { self.hasEnded.withLockedValue { $0 } }
  }
}

private final class ScriptedHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let accept: (ScriptedConnection) -> String?
  private var head = ByteBuffer()
  private var connection: ScriptedConnection?
  private var decoder = WebSocketDecoder(role: .server, maximumMessageBytes: 1 << 20)

  init(accept: @escaping (ScriptedConnection) -> String?) { self.accept = accept }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = self.unwrapInboundIn(data)
    guard let connection = self.connection else {
      self.head.writeBuffer(&bytes)
      return self.answer(context)
    }
    self.decoder.append(bytes)
    while let event = try? self.decoder.next() {
      connection.events.withLockedValue { $0.append(event) }
      if case .close = event { context.close(promise: nil) }
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.connection?.hasEnded.withLockedValue { $0 = true }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  private func answer(_ context: ChannelHandlerContext) {
    let text = String(buffer: self.head)
    guard text.hasSuffix("\r\n\r\n") else { return }
    let connection = ScriptedConnection(request: text, channel: context.channel)
    if let refusal = self.accept(connection) {
      context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: refusal)), promise: nil)
      return context.close(promise: nil)
    }
    self.connection = connection
    let key = text.split(separator: "\r\n").first { $0.hasPrefix("Sec-WebSocket-Key: ") }!
      .dropFirst("Sec-WebSocket-Key: ".count)
    let answer = """
      HTTP/1.1 101 Switching Protocols\r
      Upgrade: websocket\r
      Connection: Upgrade\r
      Sec-WebSocket-Accept: \(WebSocketHandshake.acceptValue(forKey: String(key)))\r
      Sec-WebSocket-Protocol: connect.v1.json\r
      \r\n
      """
    context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
  }
}
