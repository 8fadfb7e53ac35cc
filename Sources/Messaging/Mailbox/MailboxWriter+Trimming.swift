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
    let users = self.withMaxima(users)
    let calls = users.map { user, maximum in
      MailboxTrim.call(
        of: user, keys: self.keys, limits: self.limits, makesRoom: false, maximum: maximum)
    }
    self.client.run(calls) { results in
      for ((user, maximum), result) in zip(users, results) {
        // One that could not be trimmed is tried again when its next look is due.
        guard case .success(let trim) = result else { continue }
        self.mailboxes.trimmed(user, trim, maximum: maximum, isLook: true)
      }
      self.measure(users.map(\.user)) {
        self.carryOut(self.mailboxes.trimming.trimEnded())
      }
    }
  }

  /// Asks how much memory mailboxes use, and adopts what Redis reports; nothing from one whose user has no
  /// right to ask.
  func measure(_ users: [UserName], completion: @escaping () -> Void) {
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
