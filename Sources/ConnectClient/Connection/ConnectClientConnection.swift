import ConnectProtocol
import NIOCore
import WebSocket

/// Receives the events of a connection, always on the connection's event loop.
public protocol ConnectClientConnectionDelegate: AnyObject {
  /// A frame has come; `payload` is the text of it, into which the ranges of the frame point. First
  /// of all comes `welcome`.
  ///
  /// The payload is a slice of the receive buffer: to keep a small part for long, copy it.
  func received(
    _ frame: ServerFrame, payload: ByteBuffer, on connection: ConnectClientConnection)

  /// All that one read brought has been told: a place to do once what many frames call for.
  func readCompleted(on connection: ConnectClientConnection)

  /// The socket takes more again, after ``ConnectClientConnection/isWritable`` was false.
  func becameWritable(_ connection: ConnectClientConnection)

  /// It has ended, or never came to be. Called once for each connection, and last of all.
  func ended(_ ended: EndedConnection, _ connection: ConnectClientConnection)
}

extension ConnectClientConnectionDelegate {
  /// Does nothing.
  public func readCompleted(on connection: ConnectClientConnection) {}

  /// Does nothing.
  public func becameWritable(_ connection: ConnectClientConnection) {}
}

/// One WebSocket to a gateway, callback style: the lowest level of the client, for whoever has its
/// own event loop and thousands of connections on it.
///
/// It keeps the protocol's manners: answers pings, notices a dead server, closes with a handshake.
/// It does not reconnect, resend, pace, or tell repeats: ``ConnectClientCore`` does.
///
/// Bound to its event loop: made, used and told of on that loop only. What is written within one
/// turn of the loop goes out as one buffer. Idle it holds no buffer and one timer.
public final class ConnectClientConnection {
  /// Where everything about it happens.
  public let eventLoop: any EventLoop

  // Strong, and let go of at the end: a connection is always ended by somebody.
  private var delegate: (any ConnectClientConnectionDelegate)?
  private var channel: (any Channel)?
  private var session = ClientSessionStateMachine()
  private var decoder: WebSocketDecoder
  private var output: ByteBuffer?
  private var isFlushScheduled = false
  private var isServing = false
  private var isReadingPaused = false
  private var isUpgraded = false
  private var pingPeriod = TimeAmount.zero
  private var timer: NIOScheduledCallback?
  private var welcomed: NIODeadline?
  /// The longest frame the server takes; known from `welcome` on.
  private var frameBytes = 0

  init(
    eventLoop: any EventLoop, frameBytes: Int, delegate: any ConnectClientConnectionDelegate
  ) {
    self.eventLoop = eventLoop
    self.delegate = delegate
    self.decoder = WebSocketDecoder(role: .client, maximumMessageBytes: frameBytes)
  }

  /// Whether `welcome` has come, and no close yet.
  public var isOpen: Bool { self.session.isOpen }

  /// Whether the socket takes more. What is written nevertheless is kept, without bound.
  public var isWritable: Bool {
    guard let channel = self.channel, self.session.isOpen else { return false }
    return channel.isWritable
      && (self.output?.readableBytes ?? 0) < ConnectClientLimits.writeBufferHighBytes
  }

  // MARK: Speaking

  /// Outcome of writing a message or a request.
  public enum SendResult: Hashable, Sendable {
    /// It will go out at the end of this turn of the loop.
    case written
    /// It takes more bytes than the server allows, which would cost the connection.
    case tooLarge
    /// There is no open connection.
    case notOpen
  }

  /// Writes a message.
  ///
  /// - Parameters:
  ///   - body: one JSON value in UTF-8. It is not checked: the server rejects what is none.
  ///   - retry: whether the same message may have been sent before.
  @discardableResult
  public func send(
    id: MessageID, to: UserName, body: ByteBuffer, receipt: Bool = false, copy: Bool = false,
    quiet: Bool = false, retry: ClientFrame.Retry = .no
  ) -> SendResult {
    self.write { output in
      output.writeSend(
        id: id, to: to, body: body.readableBytesView, receipt: receipt, copy: copy, quiet: quiet,
        retry: retry)
    }
  }

  /// Writes a request, of which the answer will name `id`.
  ///
  /// - Parameter watch: whether changes of a presence are told, too.
  @discardableResult
  public func ask(_ request: ConnectRequest, id: MessageID, watch: Bool = false) -> SendResult {
    self.write { output in
      switch request {
      case .conversations(let limit, let before):
        output.writeConversations(.init(id: id, limit: limit, before: before))
      case .history(let peer, let before, let limit):
        output.writeHistory(.init(id: id, peer: peer, before: before, limit: limit))
      case .presence(let users):
        output.writePresence(.init(id: id, users: users, watch: watch))
      }
    }
  }

  /// Writes a signal, of which a refusal will name `id`.
  @discardableResult
  public func signal(_ signal: OutgoingSignal, id: MessageID? = nil) -> SendResult {
    self.write { $0.writeSignal(to: signal.to, name: signal.name, body: signal.body, id: id) }
  }

  /// Writes an ack: all up to and including `offset` are handled.
  public func acknowledge(_ offset: Offset) {
    guard self.session.isOpen else { return }
    self.write { $0.writeWebSocketFrame(.text, maskKey: Self.maskKey()) { $0.writeAck(offset) } }
  }

  /// Writes how far the user has read a conversation.
  public func read(_ read: ClientFrame.Read) {
    guard self.session.isOpen else { return }
    self.write { $0.writeWebSocketFrame(.text, maskKey: Self.maskKey()) { $0.writeRead(read) } }
  }

  /// Stops or goes on with taking from the socket what the server sends.
  ///
  /// Already when this is called within ``ConnectClientConnectionDelegate/received(_:payload:on:)``,
  /// no further frame is told. The connection stays alive meanwhile.
  public func setReading(_ isReading: Bool) {
    guard self.isReadingPaused == isReading else { return }
    self.isReadingPaused = !isReading
    // Fails only when the channel is closed, and then there is nothing to read.
    try? self.channel?.syncOptions?.setOption(.autoRead, value: isReading)
    guard isReading, !self.isServing else { return }
    self.eventLoop.assumeIsolated().execute { self.serve() }
  }

  /// Closes with 1000, once what was written before is out.
  public func close() { self.close(.normal, "", as: .closed) }

  /// Ends the socket at once, as a crash or a dead network would.
  public func abort() {
    self.session.note(.closed)
    self.endSocket()
  }

  // MARK: What the channel tells

  /// The TCP connection is there, or will be: the opening's deadline runs.
  func attach(_ channel: any Channel) {
    self.channel = channel
    if self.session.state == .closed {
      // A channel that is closed before it tells that it is active does not tell that it ends.
      self.endSocket()
      return self.disconnected()
    }
    if self.isReadingPaused { try? channel.syncOptions?.setOption(.autoRead, value: false) }
    self.startTimer(.milliseconds(ConnectClientLimits.openMilliseconds))
  }

  /// The server has agreed, and HTTP has left the pipeline.
  func upgraded() {
    self.isUpgraded = true
    self.serve()
  }

  func read(_ bytes: ByteBuffer) {
    self.decoder.append(bytes)
    self.session.heard()
    self.serve()
  }

  func writabilityChanged() {
    if self.isWritable { self.delegate?.becameWritable(self) }
  }

  /// Ends the socket for a reason of ours, or of the handshake's.
  func fail(_ end: ConnectionEnd) {
    self.session.note(end)
    self.endSocket()
  }

  /// The channel is gone, or never came to be.
  func disconnected() {
    guard let delegate = self.delegate else { return }
    self.delegate = nil
    self.channel = nil
    self.output = nil
    self.timer?.cancel()
    self.timer = nil
    let end = self.session.disconnected()
    let lived = self.welcomed.map { (NIODeadline.now() - $0).nanoseconds / 1_000_000 }
    delegate.ended(
      EndedConnection(
        end: end, welcomedMilliseconds: lived,
        reconnectAfterMilliseconds: self.session.reconnectAfterMilliseconds),
      self)
  }

  // MARK: Serving

  private func serve() {
    // What came right behind the server's answer waits until there are only frames.
    guard self.isUpgraded, !self.isServing else { return }
    self.isServing = true
    do throws(WebSocketError) {
      while !self.isReadingPaused, self.delegate != nil, let event = try self.decoder.next() {
        self.handle(event)
      }
    } catch {
      self.close(CloseCode(rawValue: error.closeCode), error.message, as: .violation(error.message))
    }
    self.delegate?.readCompleted(on: self)
    self.isServing = false
    self.flush()
  }

  private func handle(_ event: WebSocketDecoder.Event) {
    switch event {
    case .text(let payload): self.handle(text: payload)
    case .binary:
      self.violated(.unsupportedData, "a binary message")
    case .ping(let payload):
      guard self.session.state != .closing else { return }
      self.write {
        $0.writeWebSocketFrame(.pong, maskKey: Self.maskKey()) { $0.writeImmutableBuffer(payload) }
      }
    case .pong: break
    case .close(let code, let reason):
      if self.session.closeReceived(code, reason: String(buffer: reason)) {
        self.write {
          $0.writeWebSocketClose(
            code: code ?? CloseCode.normal.rawValue, reason: "", maskKey: Self.maskKey())
        }
      }
      self.flush()
      self.endSocket()
    }
  }

  private func handle(text payload: ByteBuffer) {
    let frame: ServerFrame
    do throws(FrameError) {
      frame = try payload.withUnsafeReadableBytes { (raw) throws(FrameError) in
        try ServerFrame.scan(raw)
      }
    } catch {
      return self.violated(error.code == nil ? .invalidPayload : .protocolError, error.message)
    }
    switch self.session.received(frame) {
    case .deliver:
      if case .welcome(let welcome) = frame { self.begin(welcome) }
      self.delegate?.received(frame, payload: payload, on: self)
    case .ignore:
      break
    case .fail(let what):
      self.violated(.protocolError, what)
    }
  }

  private func begin(_ welcome: ServerFrame.Welcome) {
    self.welcomed = .now()
    self.frameBytes = welcome.limits.frameBytes
    let range = ConnectClientLimits.pingSeconds
    let seconds = min(max(welcome.pingSeconds, range.lowerBound), range.upperBound)
    self.pingPeriod = .seconds(Int64(seconds))
    self.startTimer(self.pingPeriod)
  }

  // MARK: Closing

  private func violated(_ code: CloseCode, _ what: String) {
    self.close(code, what, as: .violation(what))
  }

  private func close(_ code: CloseCode, _ reason: String, as end: ConnectionEnd) {
    switch self.session.close(end) {
    case .writeClose:
      self.write {
        $0.writeWebSocketClose(code: code.rawValue, reason: reason, maskKey: Self.maskKey())
      }
      self.setReading(true)
      self.startTimer(.milliseconds(ConnectClientLimits.closeMilliseconds))
    case .abort:
      self.endSocket()
    case .none:
      break
    }
  }

  private func endSocket() {
    guard let channel = self.channel else {
      // TCP's connect is still under way: `attach` sees to it.
      _ = self.session.disconnected()
      return
    }
    channel.close(promise: nil)
  }

  // MARK: Writing

  private static func maskKey() -> UInt32 {
    // RFC 6455, section 5.3: fresh for each frame, and unpredictable.
    UInt32.random(in: .min ... .max)
  }

  /// Writes a text of at most as many bytes as the server takes.
  private func write(_ text: (inout ByteBuffer) -> Int) -> SendResult {
    guard self.session.isOpen else { return .notOpen }
    struct TooLarge: Error {}
    let maximum = self.frameBytes
    let mask = Self.maskKey()
    do throws(TooLarge) {
      try self.write { (output) throws(TooLarge) in
        try output.writeWebSocketFrame(.text, maskKey: mask) { (output) throws(TooLarge) in
          if text(&output) > maximum { throw TooLarge() }
        }
      }
      return .written
    } catch {
      return .tooLarge
    }
  }

  private func write<E: Error>(_ body: (inout ByteBuffer) throws(E) -> Void) throws(E) {
    guard let channel = self.channel else { return }
    // Taken out, so that the buffer is not copied on the first write.
    var output = self.output.take() ?? channel.allocator.buffer(capacity: 256)
    defer { self.output = output }
    try body(&output)
    guard !self.isServing, !self.isFlushScheduled else { return }
    self.isFlushScheduled = true
    self.eventLoop.assumeIsolated().execute {
      self.isFlushScheduled = false
      self.flush()
    }
  }

  private func flush() {
    guard let output = self.output.take(), let channel = self.channel, output.readableBytes > 0
    else { return }
    channel.writeAndFlush(output, promise: nil)
  }
}

// MARK: - The timer

extension ConnectClientConnection: NIOScheduledCallbackHandler {
  private func startTimer(_ time: TimeAmount) {
    self.timer?.cancel()
    // Fails only when the event loop is shut down, and everything with it.
    self.timer = try? self.eventLoop.assumeIsolated().scheduleCallback(in: time, handler: self)
  }

  /// For the event loop: the connection's one timer has fired.
  public func handleScheduledCallback(eventLoop: some EventLoop) {
    self.timer = nil
    switch self.session.timerFired(isReading: !self.isReadingPaused) {
    case .abort:
      self.endSocket()
    case .pong:
      self.write { $0.writeWebSocketFrame(.pong, maskKey: Self.maskKey()) { _ in } }
      self.startTimer(self.pingPeriod)
    case .wait:
      self.startTimer(self.pingPeriod)
    }
  }
}
