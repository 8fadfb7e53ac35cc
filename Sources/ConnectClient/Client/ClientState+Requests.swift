import ConnectProtocol

/// Requests that wait for answers, and what is passed on.
extension ClientState {
  /// Hands a request to the event loop.
  ///
  /// - Returns: whether to wake it, or why there will be no answer.
  mutating func ask(
    _ request: ConnectRequest, id: MessageID, _ continuation: RequestContinuation,
    isCancelled: Bool
  ) -> Result<Bool, ConnectRequestError> {
    if isCancelled { return .failure(.cancelled) }
    if case .ended(let end) = self.phase { return .failure(.ended(end)) }
    guard self.requestContinuations.count < ConnectClientLimits.unansweredRequests else {
      return .failure(.full)
    }
    self.requestContinuations[id] = continuation
    self.work.requests.append((id, request))
    return .success(self.schedulesWork())
  }

  /// Nobody waits for the answer any more.
  ///
  /// - Returns: who did, and whether to wake the event loop.
  mutating func cancelRequest(_ id: MessageID) -> (RequestContinuation?, wakes: Bool) {
    guard let continuation = self.requestContinuations.removeValue(forKey: id) else {
      return (nil, false)
    }
    if let index = self.work.requests.firstIndex(where: { $0.id == id }) {
      self.work.requests.remove(at: index)
      return (continuation, false)
    }
    self.work.cancelled.append(id)
    return (continuation, self.schedulesWork())
  }

  /// On the event loop: a request has its answer.
  ///
  /// - Returns: who waits for it.
  mutating func answered(_ id: MessageID) -> RequestContinuation? {
    self.requestContinuations.removeValue(forKey: id)
  }

  /// Watches these users from now on.
  ///
  /// - Returns: whether to wake the event loop.
  mutating func watch(_ users: [UserName]) -> Bool {
    if case .ended = self.phase { return false }
    self.work.watched = users
    return self.schedulesWork()
  }

  /// The user types to a peer. Without a connection nobody hears of it.
  ///
  /// - Returns: whether to wake the event loop.
  mutating func typing(to peer: UserName) -> Bool {
    guard self.phase == .running else { return false }
    if !self.work.typing.contains(peer), self.work.typing.count < ConnectClientLimits.typingPeers {
      self.work.typing.append(peer)
    }
    return self.schedulesWork()
  }

  /// Passes something on. Without a connection nobody hears of it.
  ///
  /// - Returns: whether to wake the event loop.
  mutating func signal(_ signal: OutgoingSignal) -> Bool {
    guard self.phase == .running else { return false }
    if self.work.signals.count >= ConnectClientLimits.waitingSignals {
      self.work.signals.removeFirst()
    }
    self.work.signals.append(signal)
    return self.schedulesWork()
  }
}
