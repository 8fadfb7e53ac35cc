import NIOCore

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// One client connection's TLS, to be added to the channel first.
///
/// The handshake begins when the channel is active. Until it is done, what is written is held back;
/// if it fails, all of that fails with it, and nothing has left. A failure is reported by `ready` while
/// the handshake goes on, and always as a ``TLSError`` through `errorCaught`; then the channel is
/// closed. It has no clock: whoever opens the channel closes it when the handshake takes too long.
///
/// Plaintext is handed on as it comes and never kept, so what the channel reads is all there is; and
/// a flush encrypts all that was written into one buffer, of which the channel knows.
///
/// Bound to its channel's event loop. The decisions are ``TLSClientStateMachine``'s.
package final class TLSClientHandler: ChannelDuplexHandler {
  package typealias InboundIn = ByteBuffer
  package typealias InboundOut = ByteBuffer
  package typealias OutboundIn = ByteBuffer
  package typealias OutboundOut = ByteBuffer

  private let tlsContext: TLSContext
  let peer: TLSPeer
  private var ready: EventLoopPromise<Void>?
  var state = TLSClientStateMachine()
  /// Nil before the handshake, and once the state is closed.
  private(set) var connection: TLSConnection?
  var pending = PendingWrites()

  /// Whether the handshake was short, with a session of an earlier connection.
  private(set) var isResumed = false
  /// As `TLSv1.3`, once the handshake is done.
  private(set) var protocolVersion: String?

  /// For one connection; a handler cannot be used again.
  ///
  /// - Parameters:
  ///   - context: Whom to trust, and the sessions for short handshakes.
  ///   - host: The name or the IP address that the server's certificate must be for. A name is also
  ///     told to the server (SNI).
  ///   - port: Only for the sessions, which are kept by host and port, and for errors.
  ///   - ready: Succeeds when the handshake is done, and fails with a ``TLSError`` when it cannot be.
  package init(context: TLSContext, host: String, port: Int, ready: EventLoopPromise<Void>?) {
    self.tlsContext = context
    self.peer = TLSPeer(host: host, port: port)
    self.ready = ready
  }

  // MARK: Coming and going

  /// Begins at once if the channel is active already.
  package func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { self.begin(context) }
  }

  /// Fails writes that still wait.
  package func handlerRemoved(context: ChannelHandlerContext) {
    if case .abandon(let failure) = self.state.close() {
      self.finish(.connection(self.peer, failure))
    } else {
      self.finish(nil)
    }
  }

  package func channelActive(context: ChannelHandlerContext) {
    // What is written meanwhile is held back.
    context.fireChannelActive()
    self.begin(context)
  }

  /// Reports a stream that ended without close_notify.
  package func channelInactive(context: ChannelHandlerContext) {
    self.streamEnded(context, cause: nil)
    context.fireChannelInactive()
  }

  /// An error of the channel ends the stream; it is passed on after what it means for TLS.
  package func errorCaught(context: ChannelHandlerContext, error: any Error) {
    let cause = (error as? IOError).flatMap { strerror($0.errnoCode).map { String(cString: $0) } }
    self.streamEnded(context, cause: cause ?? "\(error)")
    context.fireErrorCaught(error)
  }

  /// The end of input is the end of the stream, with or without half-closure.
  package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed = event { self.streamEnded(context, cause: nil) }
    context.fireUserInboundEventTriggered(event)
  }

  /// Sends close_notify, then closes. Half-closure is not supported.
  package func close(
    context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?
  ) {
    guard mode == .all else {
      promise?.fail(ChannelError.operationUnsupported)
      return
    }
    switch self.state.close() {
    case .shutDown:
      self.connection?.shutDown()
      self.sendCiphertext(context)
      self.finish(nil)
    case .abandon(let failure):
      self.finish(.connection(self.peer, failure))
    case .close: break
    }
    context.close(mode: mode, promise: promise)
  }

  private func begin(_ context: ChannelHandlerContext) {
    guard self.state.activate() else { return }
    do throws(TLSFailure) {
      let connection = try TLSConnection(context: self.tlsContext, peer: self.peer)
      self.connection = connection
      try self.advance(connection, context)
      context.read()
    } catch {
      self.fail(error, context)
    }
  }

  /// Continues the handshake as far as it can.
  private func advance(
    _ connection: TLSConnection, _ context: ChannelHandlerContext
  ) throws(TLSFailure) {
    guard try connection.handshake() else { return self.sendCiphertext(context) }
    self.isResumed = connection.isResumed
    self.protocolVersion = connection.protocolVersion
    self.state.handshakeDone()
    // With the last of the handshake goes what was held back.
    try self.encryptFlushed(connection, context)
    context.flush()
    let ready = self.ready
    self.ready = nil
    ready?.succeed()
  }

  // MARK: The way in

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var ciphertext = self.unwrapInboundIn(data)
    if ciphertext.readableBytes > 0 { self.state.received() }
    // Handing on may close, and what came behind that is nobody's.
    while let connection = self.connection, ciphertext.readableBytes > 0 {
      let count = min(ciphertext.readableBytes, TLSLimits.ciphertextPieceBytes)
      guard let piece = ciphertext.readSlice(length: count) else { return }
      do throws(TLSFailure) {
        try self.receive(piece, connection, context)
      } catch {
        self.fail(error, context)
      }
    }
  }

  private func receive(
    _ piece: ByteBuffer, _ connection: TLSConnection, _ context: ChannelHandlerContext
  ) throws(TLSFailure) {
    try piece.withUnsafeReadableBytes { (raw) throws(TLSFailure) in try connection.receive(raw) }
    if case .handshaking = self.state.state { try self.advance(connection, context) }
    guard self.state.isOpen, connection.hasUndecrypted else { return }

    var plaintext = context.channel.allocator.buffer(capacity: piece.readableBytes)
    let result: Result<TLSConnection.DecryptResult, TLSFailure>
    do throws(TLSFailure) {
      result = .success(try connection.decrypt(into: &plaintext))
    } catch {
      result = .failure(error)
    }
    // What came before the failure is good.
    if plaintext.readableBytes > 0 {
      self.state.delivered()
      context.fireChannelRead(self.wrapInboundOut(plaintext))
    }
    guard self.state.isOpen else { return }
    switch try result.get() {
    case .needsMore:
      // Such as the answer to a change of keys.
      self.sendCiphertext(context)
    case .ended:
      guard self.state.peerClosed() else { return }
      connection.shutDown()
      self.sendCiphertext(context)
      self.finish(nil)
      context.close(promise: nil)
    }
  }

  /// Reads again if what was read yielded no plaintext.
  package func channelReadComplete(context: ChannelHandlerContext) {
    context.fireChannelReadComplete()
    if self.state.readsAgain() { context.read() }
  }

  /// Passes the request on, and remembers it until there is plaintext.
  package func read(context: ChannelHandlerContext) {
    self.state.readRequested()
    context.read()
  }

  // MARK: The end

  private func streamEnded(_ context: ChannelHandlerContext, cause: String?) {
    let wasAskedInVain = self.connection?.wasAskedForCertificateInVain ?? false
    let failure = self.state.streamEnded(cause: cause, wasAskedInVain: wasAskedInVain)
    if let failure { self.report(failure, context) }
  }

  func fail(_ failure: TLSFailure, _ context: ChannelHandlerContext) {
    let isHandshake = !self.state.isOpen
    guard self.state.fail() else { return }
    // A session may have been what the server could not go on with.
    if isHandshake { self.tlsContext.forgetSessions(for: self.peer) }
    // The alert by which OpenSSL tells the server.
    self.sendCiphertext(context)
    self.report(failure, context)
  }

  private func report(_ failure: TLSFailure, _ context: ChannelHandlerContext) {
    let error = TLSError.connection(self.peer, failure)
    self.finish(error)
    context.fireErrorCaught(error)
    context.close(promise: nil)
  }

  /// Lets go of everything. Only when the state is closed. No error: it was we, or the server, in
  /// order.
  private func finish(_ error: TLSError?) {
    self.connection = nil
    let ready = self.ready
    self.ready = nil
    let writes = self.pending.removeAll()
    let failure: any Error = error ?? ChannelError.ioOnClosedChannel
    ready?.fail(failure)
    for promise in writes { promise.fail(failure) }
  }
}
