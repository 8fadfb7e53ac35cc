import ConnectProtocol
import MessageBus
import NIOCore
import Redis
import WebSocket

/// What the client says.
extension ConnectionHandler {
  func handle(_ event: WebSocketDecoder.Event) {
    switch event {
    case .close(let code, _): self.closeReceived(code)
    case .pong: break
    case .ping, .text, .binary:
      guard self.session.isOpen else { return }
      self.handleOpen(event)
    }
  }

  private func handleOpen(_ event: WebSocketDecoder.Event) {
    switch event {
    case .text(let payload):
      self.handleText(payload)
    case .binary:
      self.close(.unsupportedData, "frames are text; this one was binary")
    case .ping(let payload):
      self.write { $0.writeWebSocketFrame(.pong) { $0.writeImmutableBuffer(payload) } }
    case .pong, .close:
      break
    }
  }

  private func handleText(_ payload: ByteBuffer) {
    do throws(FrameError) {
      let frame = try payload.withUnsafeReadableBytes { (raw) throws(FrameError) in
        try ClientFrame.scan(raw)
      }
      switch frame {
      case .send(let send): self.publish(send, payload: payload)
      case .ack(let offset): self.ack(offset)
      case .ping(let id): self.writeText { _ = $0.writePong(id: id) }
      }
    } catch {
      self.handleBad(error)
    }
  }

  private func handleBad(_ error: FrameError) {
    guard let code = error.code else {
      return self.close(.invalidPayload, "a text message must be UTF-8")
    }
    // A send that names nobody is a person's slip of the pen, not a client that makes no sense.
    if let id = error.messageID { return self.reject(id, code, error.message) }
    self.writeText { _ = $0.writeError(code: code, message: error.message) }
    if self.session.badFrame() {
      self.close(.policyViolation, "too many frames made no sense")
    }
  }

  private func publish(_ send: ClientFrame.Send, payload: ByteBuffer) {
    if self.loop.isDraining {
      return self.reject(send.id, .draining, "this gateway is stopping; reconnect")
    }
    if let wait = self.sendRate.take(now: NIODeadline.now().uptimeNanoseconds) {
      return self.reject(
        send.id, .rateLimited,
        "more than \(self.loop.configuration.sendsPerSecond) sends per second",
        retryAfter: wait)
    }
    guard self.loop.producer.unanswered < GatewayLimits.unansweredSends else {
      return self.reject(
        send.id, .overloaded, "the bus does not keep up",
        retryAfter: GatewayLimits.retryAfterMilliseconds)
    }
    var flags: Envelope.Flags = []
    if send.receipt { flags.insert(.receipt) }
    if send.copy { flags.insert(.copy) }
    if send.retry { flags.insert(.retry) }
    payload.withUnsafeReadableBytes { raw in
      self.loop.producer.publish(
        .message(
          from: self.user, to: send.to, id: send.id, flags: flags,
          body: UnsafeRawBufferPointer(rebasing: raw[send.body])),
        token: .send(self, send.id))
    }
  }

  /// The bus has answered a send.
  func published(_ id: MessageID, _ result: Result<Offset, RedisError>) {
    switch result {
    case .success(let offset):
      self.writeText { buffer in
        var text = id.text
        text.withUTF8 { _ = buffer.writeAccepted(id: UnsafeRawBufferPointer($0), offset: offset) }
      }
    case .failure(let error):
      // Whether Redis took it or not: the client sends it again with `retry`, and a message that
      // was taken is recognised by it.
      self.loop.noteRejection(error)
      self.reject(
        id, .unavailable, "the message could not be stored; send it again",
        retryAfter: GatewayLimits.retryAfterMilliseconds)
    }
  }

  private func reject(
    _ id: MessageID, _ code: RejectionCode, _ message: String, retryAfter: Int? = nil
  ) {
    self.writeText { buffer in
      _ = buffer.writeRejected(
        id: id, code: code, message: message, retryAfterMilliseconds: retryAfter)
    }
  }
}
