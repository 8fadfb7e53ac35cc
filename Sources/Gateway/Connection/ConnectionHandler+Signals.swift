import ConnectProtocol
import NIOCore

/// What the client passes on to users who are connected, and is passed.
extension ConnectionHandler {
  func handle(_ signal: ClientFrame.Signal, payload: ByteBuffer) {
    guard self.session.takesMessages else { return self.refuseEnding(signal.id) }
    let now = NIODeadline.now().uptimeNanoseconds
    if let refusal = self.refusal(ofSignalAt: now) {
      return self.refuse(signal.id, refusal)
    }
    payload.withUnsafeReadableBytes { raw in
      let body = signal.body.map { UnsafeRawBufferPointer(rebasing: raw[$0]) }
      self.loop.signals.pass(
        signal.name, from: self.user, to: signal.to, at: self.loop.busClock.now,
        body: body ?? UnsafeRawBufferPointer(start: nil, count: 0))
    }
  }

  private func refusal(ofSignalAt now: UInt64) -> SendOrder.Refusal? {
    let wait = GatewayLimits.retryAfterMilliseconds
    // Its time would be ours, however long ago it was sent.
    if self.loop.pauseGuard.isLate(now) {
      return SendOrder.Refusal(
        code: .unavailable, message: "this gateway was paused, and the signal may be old",
        retryAfterMilliseconds: wait)
    }
    guard self.loop.signals.unanswered < GatewayLimits.unansweredSignals else {
      return SendOrder.Refusal(
        code: .overloaded, message: "signals come faster than they can be passed on",
        retryAfterMilliseconds: wait + .random(in: 0...wait))
    }
    return self.budget.takeSignal(now: now).map { self.refusal(for: $0) }
  }

  /// Handles a signal for this user from the gateway's stream. A client that is slow to read has no queue
  /// of them.
  func handleSignal(_ signal: PassedSignal) {
    guard self.canWrite else { return self.loop.metrics.signalDropped(.slow) }
    self.write { $0.writeImmutableBuffer(signal.frame) }
    self.loop.metrics.signalsDelivered.increment()
  }
}
