import ConnectProtocol
import NIOCore

/// What a connection that has asked for presence waits for.
struct PresenceState {
  /// Number of requests without an answer.
  var unanswered = 0
  /// Whether the gateway may know of it: of a watch, or of a request.
  var isKnown = false
  /// Changes that the socket did not take yet: at most one of each user that is watched.
  var missed: [UserName: ServerFrame.Presence.Status] = [:]

  var isAtRest: Bool { !self.isKnown && self.missed.isEmpty }
}

/// Who is online.
extension ConnectionHandler {
  func handle(_ request: ClientFrame.Presence) {
    guard self.session.takesMessages else { return self.refuseEnding(request.id) }
    guard self.active.presence.unanswered < GatewayLimits.unansweredRequests else {
      return self.refuseOverloaded(
        request.id, "\(GatewayLimits.unansweredRequests) requests are not answered yet")
    }
    if let shortage = self.budget.takeRequest(now: NIODeadline.now().uptimeNanoseconds) {
      return self.refuse(request.id, self.refusal(for: shortage))
    }
    self.active.presence.unanswered += 1
    self.active.presence.isKnown = true
    self.loop.presence.ask(request, by: self)
  }

  func presenceAnswered(_ id: MessageID?, _ answer: PresenceKeeper.Answer) {
    // Answered when the connection began to end.
    guard self.active.presence.isKnown else { return }
    self.active.presence.unanswered -= 1
    switch answer {
    case .statuses(let statuses):
      // They are newer than what waits, which is of an earlier watch perhaps.
      self.active.presence.missed = [:]
      self.writePresence(ServerFrame.Presence(id: id, users: statuses))
    case .refused(.overloaded, let message):
      self.refuseOverloaded(id, message)
    case .refused(let code, let message):
      if code == .unavailable { self.budget.returnRequest() }
      self.refuse(id, code, message, retryAfter: GatewayLimits.retryAfterMilliseconds)
    }
  }

  /// Users whom this connection watches have come or gone.
  func presenceChanged(_ changes: [UserName: ServerFrame.Presence.Status]) {
    guard self.session.takesMessages else { return }
    self.active.presence.missed.merge(changes) { _, new in new }
    self.tellMissedPresence()
  }

  /// Tells what the socket did not take before.
  func tellMissedPresence() {
    guard !self.active.presence.missed.isEmpty, self.socketTakesMore else { return }
    let missed = self.active.presence.missed
    self.active.presence.missed = [:]
    self.writePresence(ServerFrame.Presence(users: missed))
  }

  private func writePresence(_ presence: ServerFrame.Presence) {
    self.writeText { _ = $0.writePresence(presence) }
  }

  /// Nobody is watched any more, and nothing is answered: the connection ends.
  func endPresence() {
    guard self.active.presence.isKnown else { return }
    self.active.presence = PresenceState()
    self.loop.presence.end(self)
  }
}
