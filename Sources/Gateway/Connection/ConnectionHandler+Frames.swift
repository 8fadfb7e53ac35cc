import ConnectProtocol
import MessageBus
import NIOCore
import Redis
import WebSocket

/// Frames from the client.
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
    self.active.isInUse = true
    do throws(FrameError) {
      let frame = try payload.withUnsafeReadableBytes { (raw) throws(FrameError) in
        try ClientFrame.scan(raw)
      }
      switch frame {
      case .send(let send): self.publishSend(send, payload: payload)
      case .ack(let offset): self.ack(offset)
      case .read(let read): self.handle(read)
      case .conversations(let request): self.handle(request)
      case .history(let request): self.handle(request)
      case .signal(let signal): self.handle(signal, payload: payload)
      case .presence(let request): self.handle(request)
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
    // It knows what was not taken, and need not be cut off to notice. Its sender paid for the bytes.
    if let id = error.messageID { return self.reject(id, code, error.message) }
    self.loop.metrics.rejected(code)
    self.writeText { _ = $0.writeError(code: code, message: error.message) }
    if self.session.badFrame() {
      self.close(.policyViolation, "too many frames made no sense")
    }
  }

  private func publishSend(_ send: ClientFrame.Send, payload: ByteBuffer) {
    guard self.session.takesMessages else {
      return self.reject(send.id, .draining, "this connection is about to end; reconnect")
    }
    let readAt = NIODeadline.now()
    let now = readAt.uptimeNanoseconds
    let running = self.loop.runningNanoseconds
    let active = self.active
    if active.sendOrder.isFull(for: send.id, to: send.to, now: running) {
      return self.close(
        .tryAgainLater, "too many rejected sends; reconnect, and send them again in order")
    }
    guard let place = active.sendOrder.place(for: send.id, to: send.to, now: running) else {
      return self.reject(send.id, active.sendOrder.refusal)
    }
    if let refusal = self.refusal(of: send, now: now) {
      active.sendOrder.rejected(send.id, to: send.to, at: place, for: refusal, now: running)
      return self.reject(send.id, refusal)
    }
    var flags: Envelope.Flags = []
    if send.receipt { flags.insert(.receipt) }
    if send.copy { flags.insert(.copy) }
    if send.quiet { flags.insert(.quiet) }
    if send.isRepeat { flags.insert(.retry) }
    self.session.sendPublished()
    payload.withUnsafeReadableBytes { raw in
      self.loop.publish(
        .message(
          from: self.user, to: send.to, id: send.id, flags: flags, firstSent: send.firstSent,
          body: UnsafeRawBufferPointer(rebasing: raw[send.body])),
        by: ObjectIdentifier(self),
        token: .send(
          self,
          GatewayLoop.Send(
            id: send.id, to: send.to, place: place, isRepeat: send.isRepeat, readAt: readAt))
      )
    }
  }

  /// The reason to refuse a send now; nil to take it.
  private func refusal(of send: ClientFrame.Send, now: UInt64) -> SendOrder.Refusal? {
    let wait = GatewayLimits.retryAfterMilliseconds
    if self.loop.pauseGuard.isLate(now) {
      return SendOrder.Refusal(
        code: .unavailable, message: "this gateway was paused; send it again",
        retryAfterMilliseconds: wait)
    }
    guard self.loop.producer.unanswered < GatewayLimits.unansweredSends,
      self.loop.producer.unansweredBytes < GatewayLimits.unansweredSendBytes,
      !self.loop.backlog.isFull(for: send.to),
      !send.copy || !self.loop.backlog.isFull(for: self.user)
    else {
      return SendOrder.Refusal(
        code: .overloaded, message: "messages come faster than they can be processed",
        retryAfterMilliseconds: wait + .random(in: 0...wait))
    }
    if let shortage = self.budget.takeSend(isLookedUp: send.isRepeat, now: now) {
      return self.refusal(for: shortage)
    }
    return nil
  }

  func refusal(for shortage: UserBudget.Shortage) -> SendOrder.Refusal {
    let configuration = self.loop.configuration
    let what: String
    let wait: Int
    switch shortage {
    case .sends(let milliseconds):
      what = "\(configuration.sendsPerSecond) sends, reads and positions"
      wait = milliseconds
    case .lookUps(let milliseconds):
      what =
        "\(configuration.lookUpsPerSecond) sends marked `retry` and reads of what was not sent"
      wait = milliseconds
    case .requests(let milliseconds):
      what = "\(configuration.requestsPerSecond) requests"
      wait = milliseconds
    case .signals(let milliseconds):
      what = "\(configuration.signalsPerSecond) signals"
      wait = milliseconds
    }
    return SendOrder.Refusal(
      code: .rateLimited, message: "more than \(what) per second by all devices of this user",
      retryAfterMilliseconds: wait)
  }

  /// Handles the bus's answer to a send.
  func sendSettled(_ send: GatewayLoop.Send, _ result: Result<Offset, RedisError>) {
    switch result {
    case .success(let offset):
      self.loop.metrics.accepted.increment()
      self.loop.metrics.acceptTime.recordNanoseconds((NIODeadline.now() - send.readAt).nanoseconds)
      self.writeText { buffer in
        var text = send.id.text
        text.withUTF8 { _ = buffer.writeAccepted(id: UnsafeRawBufferPointer($0), offset: offset) }
      }
    case .failure(let error):
      // Whether Redis took it or not: the client sends it again with `retry`, and a message that
      // was taken is recognised by it.
      self.loop.noteRejection(error)
      // In an outage it comes again and again, and costs messaging nothing.
      if send.isRepeat, !error.mayHaveBeenExecuted { self.budget.returnLookUp() }
      let refusal = SendOrder.Refusal(
        code: .unavailable, message: "the message is not confirmed as stored; send it again",
        retryAfterMilliseconds: GatewayLimits.retryAfterMilliseconds)
      self.active.sendOrder.rejected(
        send.id, to: send.to, at: send.place, for: refusal, now: self.loop.runningNanoseconds)
      self.reject(send.id, refusal)
    }
    if self.session.sendAnswered() { self.closeAfterGoodbye() }
    self.readOnIfAnswered()
  }

  /// Refuses a request: by its id if it has one, else by an error that does not count as a bad frame.
  func refuse(
    _ id: MessageID?, _ code: RejectionCode, _ message: String, retryAfter: Int? = nil
  ) {
    if let id { return self.reject(id, code, message, retryAfter: retryAfter) }
    self.loop.metrics.rejected(code)
    self.writeText { _ = $0.writeError(code: code, message: message) }
  }

  func refuse(_ id: MessageID?, _ refusal: SendOrder.Refusal) {
    self.refuse(
      id, refusal.code, refusal.message, retryAfter: refusal.retryAfterMilliseconds)
  }

  /// Refuses a request that comes while too much is under way. Clients do not come back in step.
  func refuseOverloaded(_ id: MessageID?, _ message: String) {
    let wait = GatewayLimits.retryAfterMilliseconds
    self.refuse(id, .overloaded, message, retryAfter: wait + .random(in: 0...wait))
  }

  /// Refuses a request that is not served any more.
  func refuseEnding(_ id: MessageID?) {
    self.refuse(id, .draining, "this connection is about to end; reconnect")
  }

  private func reject(_ id: MessageID, _ refusal: SendOrder.Refusal) {
    self.reject(
      id, refusal.code, refusal.message, retryAfter: refusal.retryAfterMilliseconds)
  }

  func reject(
    _ id: MessageID, _ code: RejectionCode, _ message: String, retryAfter: Int? = nil
  ) {
    self.loop.metrics.rejected(code)
    self.writeText { buffer in
      _ = buffer.writeRejected(
        id: id, code: code, message: message, retryAfterMilliseconds: retryAfter)
    }
  }
}

extension ClientFrame.Send {
  fileprivate var isRepeat: Bool { self.retry != .no }

  fileprivate var firstSent: UInt64? {
    if case .firstSent(let time) = self.retry { time } else { nil }
  }
}
