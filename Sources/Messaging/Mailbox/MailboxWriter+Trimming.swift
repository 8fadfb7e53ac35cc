import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// Keeps written mailboxes short, outside the path of a message, with `trim_mailbox.lua`.
extension MailboxWriter {
  /// Ends trimming. Call it on the client's event loop.
  package func stop() {
    self.mailboxes.trimming.stop()
    self.trimTimer?.cancel()
    self.trimTimer = nil
  }

  func carryOut(_ action: TrimStateMachine.Action?) {
    switch action {
    case .schedule: self.scheduleTrimming()
    case .trim(let users): self.trim(users)
    case nil: break
    }
  }

  private func scheduleTrimming() {
    self.trimTimer = self.client.eventLoop.assumeIsolated().scheduleTask(
      in: .milliseconds(MessagingLimits.trimMilliseconds)
    ) {
      self.trimTimer = nil
      self.carryOut(self.mailboxes.trimming.timerFired())
    }
  }

  private func trim(_ users: [UserName]) {
    // One that could not be trimmed is tried again when its next look is due.
    self.trim(users, makesRoom: false, measuring: users) { _ in
      self.carryOut(self.mailboxes.trimming.trimEnded())
    }
  }

  /// Trims mailboxes, and asks in the same turn how much memory those of `measured` use: what is written
  /// between the two would count twice.
  ///
  /// - Parameter completion: given each mailbox with the most entries that could be removed and the
  ///   outcome, which is adopted by then.
  func trim(
    _ users: [UserName], makesRoom: Bool, measuring measured: [UserName],
    completion:
      @escaping ([(user: UserName, maximum: Int, Result<MailboxTrim, RedisError>)]) -> Void
  ) {
    let users = self.withMaxima(users)
    var outcomes: [(user: UserName, maximum: Int, Result<MailboxTrim, RedisError>)] = []
    var underWay = 2
    func answered() {
      underWay -= 1
      if underWay == 0 { completion(outcomes) }
    }
    let calls = users.map { user, maximum in
      MailboxTrim.call(
        of: user, keys: self.keys, limits: self.limits, makesRoom: makesRoom, maximum: maximum)
    }
    self.client.run(calls) { results in
      for ((user, maximum), result) in zip(users, results) {
        if case .success(let trim) = result {
          self.mailboxes.trimmed(user, trim, maximum: maximum, isLook: !makesRoom)
        }
        outcomes.append((user, maximum, result))
      }
      answered()
    }
    self.measure(measured, completion: answered)
  }

  /// Asks how much memory mailboxes use, and adopts what Redis reports; nothing from one whose user has no
  /// right to ask.
  private func measure(_ users: [UserName], completion: @escaping () -> Void) {
    guard !users.isEmpty else { return completion() }
    var batch = RedisBatch()
    let places = users.map { batch.memoryUsage(of: self.keys.mailbox($0)) }
    self.client.submit(batch) { replies in
      for (user, place) in zip(users, places) {
        if let bytes = try? replies[place] { self.mailboxes.measured(bytes: bytes, of: user) }
      }
      completion()
    }
  }

  /// The mailboxes, each with the most entries that one trimming may remove.
  func withMaxima(_ users: [UserName]) -> [(user: UserName, maximum: Int)] {
    users.map { ($0, self.mailboxes[$0]?.entriesPerTrim ?? MessagingLimits.entriesPerTrim) }
  }
}
