import ConnectProtocol

/// Who waits for something: for what arrives, for what becomes of a message, for all answers.
extension KeeperState {
  // MARK: Outcomes

  mutating func newWaiter() -> UInt64 {
    self.nextWaiter += 1
    return self.nextWaiter
  }

  /// Somebody waits until the server has a message.
  mutating func wait(
    for id: MessageID, to peer: UserName, number: UInt64, _ waiter: OutcomeWaiters.Waiter
  ) {
    self.outcomes.wait(for: id, to: peer, number: number, waiter)
    self.decided(id)
  }

  mutating func cancelOutcome(_ number: UInt64, _ id: MessageID) {
    self.outcomes.cancel(number, id)
  }

  /// It may be known what becomes of a message.
  mutating func decided(_ id: MessageID) {
    guard let peer = self.outcomes.peer(of: id), let outcome = self.outcome(id, peer) else {
      return
    }
    self.outcomes.serve(id, outcome)
  }

  private func outcome(_ id: MessageID, _ peer: UserName) -> OutcomeWaiters.Outcome? {
    let log = self.book.log(peer)
    guard let entry = log.own(id).map({ log.shown($0, floor: self.book.floor) }) else {
      return .failure(.cancelled)
    }
    switch entry.state {
    case .accepted, .delivered, .read: return .success(entry)
    case .failed:
      return .failure(
        .rejected(
          ServerFrame.Rejected(
            id: id, code: entry.failure?.code ?? "", message: entry.failure?.message ?? "",
            retryable: false, retryAfterMilliseconds: nil)))
    case .waiting, .received:
      guard self.isEnded else { return nil }
      if case .stopped(let end) = self.connection { return .failure(.ended(end)) }
      return .failure(.ended(.closed))
    }
  }

  // MARK: Arrivals

  mutating func takeArrivals() { self.arrivals.begin() }

  /// The consumer has handled what it had.
  mutating func handleArrival() {
    // Below what is handled if a gap has come since.
    guard let offset = self.arrivals.handled(), offset > self.handled ?? .zero else { return }
    self.handled = offset
    self.round.records.append(.handled(offset))
    self.round.handled.append(offset)
  }

  /// The consumer has handled what it had, and waits for the next.
  mutating func waitForArrival(_ consumer: ArrivalQueue.Consumer) {
    self.handleArrival()
    self.arrivals.wait(consumer)
  }

  mutating func cancelArrival() -> ArrivalQueue.Consumer? { self.arrivals.cancel() }

  /// Whoever brings events goes on once the consumer of arrivals has caught up.
  mutating func waitForConsumer(_ producer: CheckedContinuation<Void, Never>) {
    self.arrivals.wait(producer)
  }

  /// The client ends: nobody waits for the consumer of arrivals any more, which gets no more of the mailbox.
  mutating func releaseArrivals() { self.arrivals.release() }

  /// Resumes once nothing waits for the server's answer.
  mutating func waitForAnswers(_ waiter: CheckedContinuation<Void, Never>) {
    self.unanswered.append(waiter)
  }

  /// Who can go on now.
  struct Resumed: Sendable {
    var consumer: (ArrivalQueue.Consumer, ConnectArrival?)?
    var outcomes: [(OutcomeWaiters.Waiter, OutcomeWaiters.Outcome)] = []
    var waiters: [CheckedContinuation<Void, Never>] = []

    func resume() {
      for (waiter, outcome) in self.outcomes { waiter.resume(returning: outcome) }
      if let (consumer, arrival) = self.consumer { consumer.resume(returning: arrival) }
      for waiter in self.waiters { waiter.resume() }
    }
  }

  mutating func takeResumed() -> Resumed {
    var resumed = Resumed(
      consumer: self.arrivals.takeServed(), outcomes: self.outcomes.takeServed())
    if let producer = self.arrivals.takeProducer() { resumed.waiters.append(producer) }
    if !self.book.isWaiting || self.isEnded {
      resumed.waiters += self.unanswered
      self.unanswered = []
    }
    return resumed
  }
}
