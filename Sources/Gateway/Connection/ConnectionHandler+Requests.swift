import ConnectProtocol
import NIOCore
import Redis

/// What the client asks for: the list of its conversations, and history.
extension ConnectionHandler {
  func handle(_ request: ClientFrame.Conversations) { self.take(.conversations(request)) }

  func handle(_ request: ClientFrame.History) { self.take(.history(request)) }

  private func take(_ request: RequestQueue.Request) {
    guard self.session.takesMessages else { return self.refuseEnding(request.id) }
    guard self.active.requests.count < GatewayLimits.unansweredRequests else {
      return self.refuseOverloaded(
        request.id,
        "\(GatewayLimits.unansweredRequests) requests of this connection are not answered yet")
    }
    if let shortage = self.budget.takeRequest(now: NIODeadline.now().uptimeNanoseconds) {
      return self.refuse(request.id, self.refusal(for: shortage))
    }
    self.loop.metrics.requested(request)
    self.active.requests.append(request)
    self.serveRequests()
  }

  /// Begins with the next request if the socket takes its answer.
  func serveRequests() {
    guard self.session.takesMessages, self.socketTakesMore,
      let read = self.active.requests.next(
        owner: self.user, frameBytes: self.loop.configuration.frameBytes)
    else { return }
    self.read(read)
  }

  private func read(_ read: LogLook.Read) {
    self.loop.pages.request(PageReader.Request(kind: .log(read), connection: self))
  }

  func logArrived(_ result: Result<LogLook.Reply, RedisError>) {
    guard self.session.takesMessages else {
      _ = self.active.requests.end()
      return
    }
    switch result {
    case .success(let reply):
      self.loop.metrics.requestEntries.increment(by: reply.entries.count)
      switch self.active.requests.arrived(reply) {
      case .read(let read): return self.read(read)
      case .answer(let answer): self.writeText { $0.write(answer) }
      case nil: break
      }
    case .failure:
      if let request = self.active.requests.failed() {
        self.budget.returnRequest()
        self.refuse(
          request.id, .unavailable, "the mailbox could not be read; ask again",
          retryAfter: GatewayLimits.retryAfterMilliseconds)
      }
    }
    self.serveRequests()
  }

  /// Refuses what is not answered, since the connection ends.
  func endRequests() {
    for request in self.active.requests.end() { self.refuseEnding(request.id) }
  }
}
