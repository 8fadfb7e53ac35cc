import ConnectClient
import ConnectProtocol

/// Asking for lists and histories: now and then while people write, and of every device at a pause.
extension Chatters {
  // MARK: While others write

  /// Until it is cancelled: one device after the other asks for its conversations, a few at a time, so that
  /// messages come between two parts.
  func askWhileOthersWrite() async {
    var turn = 0
    while (try? await Task.sleep(for: FaultLimits.listInterval)) != nil {
      guard self.isSending.withLock({ $0 }) else { continue }
      turn += 1
      let device = self.devices[turn % self.devices.count]
      guard device.manner != .newcomer, device.isLive, let client = device.client else { continue }
      let known = self.ledger.newest(of: device.user)
      // Whatever the fault is, it may be in vain.
      guard let parts = try? await Self.list(client, pauses: true) else { continue }
      self.ledger.keep(.init(user: device.user, parts: parts, known: known), on: device.number)
    }
  }

  // MARK: At a pause

  /// Stops writing, and compares what every device is told with the ledger, once all is told; in vain where
  /// that takes too long, as it does when messages are lost. Then people write again.
  func pause() async throws {
    self.setSending(false)
    for device in self.devices where device.manner != .newcomer { device.setWanted(true) }
    let isSettled = try? await eventually("all to be told", limit: FaultLimits.pause) {
      let missing = self.ledger.underWay + self.ledger.positionsBehind { _ in true }
      return missing == 0 ? true : nil
    }
    if isSettled != nil {
      await self.compareLists()
    } else {
      self.ledger.note(
        "nothing was compared at a pause: \(self.ledger.underWay) messages are under way, and "
          + "\(self.ledger.positionsBehind { _ in true }) positions behind")
    }
    self.setSending(true)
  }

  /// Asks on every device that is connected for all conversations, for the newest history with some peers, at
  /// each pause with others, and on the first one for the whole mailbox; and compares the answers with the
  /// ledger. Nobody may write meanwhile.
  func compareLists() async {
    let turn = self.pauses.withLock { pauses in
      defer { pauses += 1 }
      return pauses
    }
    var answers: [ChatLedger.Told] = []
    await withTaskGroup(of: ChatLedger.Told.self) { group in
      for user in 0..<self.options.users {
        if user >= FaultLimits.asking, let told = await group.next() { answers.append(told) }
        group.addTask { await self.told(user, turn: turn) }
      }
      for await told in group { answers.append(told) }
    }
    self.ledger.compare(answers)
  }

  private func told(_ user: Int, turn: Int) async -> ChatLedger.Told {
    var told = ChatLedger.Told(user: user)
    let devices = self.devices.filter { $0.user == user && ($0.manner != .newcomer || $0.isLive) }
    let peers = self.ledger.peers(of: user)
    for (index, device) in devices.enumerated() {
      do {
        let limit = index == 0 ? FaultLimits.listPart : ClientFrame.Conversations.maximumLimit
        let parts = try await Self.answer(device) { try await Self.list($0, limit: limit) }
        told.lists.append((device.number, .init(user: user, parts: parts)))
        for (number, peer) in peers.enumerated() where (number + turn) % devices.count == index {
          let history = try await Self.answer(device) {
            try await Self.history($0, of: user, with: peer)
          }
          told.histories.append((device.number, history))
        }
      } catch {
        told.failures.append("device \(device.number) asks in vain: \(error)")
      }
    }
    if let first = devices.first {
      do {
        told.whole = try await Self.answer(first) { try await Self.history($0, of: user) }
      } catch {
        told.failures.append("device 0 asks for everything in vain: \(error)")
      }
    }
    return told
  }

  /// Asks again until there is an answer: the client may be another one by then.
  private static func answer<Answer>(
    _ device: ChatDevice, _ ask: (ConnectClient) async throws -> Answer
  ) async throws -> Answer {
    let end = ContinuousClock.now + FaultLimits.answer
    while true {
      do {
        guard let client = device.client else { throw TimedOut("it is not connected") }
        return try await ask(client)
      } catch {
        guard ContinuousClock.now < end, !Task.isCancelled else { throw error }
        try await Task.sleep(for: FaultLimits.poll)
      }
    }
  }

  private static func list(
    _ client: ConnectClient, limit: Int = FaultLimits.listPart, pauses: Bool = false
  ) async throws -> [(before: ConversationCursor?, page: ConversationPage)] {
    var parts: [(before: ConversationCursor?, page: ConversationPage)] = []
    var before: ConversationCursor?
    repeat {
      let page = try await client.conversations(limit: limit, before: before)
      parts.append((before, page))
      if page.next != nil, page.next == before { throw TimedOut("a list that ends") }
      before = page.next
      if before != nil, pauses { try await Task.sleep(for: FaultLimits.partInterval) }
    } while before != nil
    return parts
  }

  /// - Parameter peer: nil for the whole mailbox; with somebody the newest part.
  private static func history(
    _ client: ConnectClient, of user: Int, with peer: Int? = nil
  ) async throws -> LogLedger.History {
    var entries: [MailboxEntry] = []
    var before: Offset?
    while true {
      let page = try await client.history(
        with: peer.map(Self.name), before: before,
        limit: peer == nil ? ClientFrame.History.maximumLimit : FaultLimits.historyPart)
      entries += page.entries
      if let before, let next = page.next, next >= before { throw TimedOut("a history that ends") }
      before = page.next
      guard before == nil || peer != nil else { continue }
      return LogLedger.History(
        user: user, peer: peer, entries: entries, isTrimmed: page.isTrimmed, end: before ?? .zero)
    }
  }
}
