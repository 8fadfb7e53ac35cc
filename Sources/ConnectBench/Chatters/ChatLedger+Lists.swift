import ConnectProtocol

/// How often lists and histories were compared with the ledger, and how many of them were wrong.
struct ListTotals: Sendable, Equatable {
  var compared = 0
  /// Those of them that were told while others wrote.
  var comparedLater = 0
  var wrong = 0
  /// Conversations of which more may be unread than was counted.
  var bounded = 0
  /// Mailboxes of which not everything was kept.
  var trimmed = 0
}

extension ChatLedger {
  // MARK: Lists and histories

  /// What one user's devices were told while nobody wrote.
  struct Told: Sendable {
    let user: Int
    var lists: [(device: Int, list: LogLedger.List)] = []
    var histories: [(device: Int, history: LogLedger.History)] = []
    /// All of the mailbox, asked for last; nil if there was no answer.
    var whole: LogLedger.History?
    /// Why there was no answer to something.
    var failures: [String] = []
  }

  /// The newest known entries of a user's mailbox, which lists that are asked for from now on name.
  func newest(of user: Int) -> [Int: LogLedger.Entry] {
    self.state.withLock { $0.log.newest(of: user) }
  }

  /// Keeps a list that was told while others wrote, to be compared when all is known.
  func keep(_ list: LogLedger.List, on device: Int) {
    self.state.withLock { state in
      guard state.listsKept.count < FaultLimits.listsKept else { return }
      state.listsKept.append((device, list))
    }
  }

  /// Compares what devices were told while nobody wrote, and what was kept before.
  func compare(_ told: [Told]) {
    self.state.withLock { state in
      for told in told {
        for failure in told.failures { self.wrong(&state, "user \(told.user): \(failure)") }
        if let whole = told.whole {
          self.compare(&state, whole, on: 0)
          if whole.isTrimmed { state.lists.trimmed += 1 }
        }
        for (device, history) in told.histories { self.compare(&state, history, on: device) }
      }
      for told in told {
        for (device, list) in told.lists {
          self.compare(&state, list, on: device, isSettled: true)
        }
      }
      for (device, list) in state.listsKept {
        self.compare(&state, list, on: device, isSettled: false)
        state.lists.comparedLater += 1
      }
      state.listsKept = []
    }
  }

  private func compare(_ state: inout State, _ history: LogLedger.History, on device: Int) {
    state.lists.compared += 1
    let ledger = state.ledger
    let faults = state.log.faults(in: history, isOptional: ledger.isExcused)
    guard let first = faults.first else { return }
    let peer = history.peer.map { " with user \($0)" } ?? ""
    self.wrong(
      &state,
      "history\(peer) on device \(device) of user \(history.user), \(faults.count) times: \(first)")
  }

  private func compare(
    _ state: inout State, _ list: LogLedger.List, on device: Int, isSettled: Bool
  ) {
    state.lists.compared += 1
    state.lists.bounded += list.parts.flatMap(\.page.conversations).count(where: \.unreadIsMore)
    let (positions, ledger) = (state.positions, state.ledger)
    let faults = state.log.faults(
      in: list, isSettled: isSettled, bounds: { positions.bounds(of: list.user, with: $0) },
      isOptional: ledger.isExcused)
    guard let first = faults.first else { return }
    self.wrong(
      &state,
      "list \(isSettled ? "at a pause" : "meanwhile") on device \(device) of user \(list.user), "
        + "\(faults.count) times: \(first)")
  }

  private func wrong(_ state: inout State, _ text: String) {
    state.lists.wrong += 1
    guard state.lists.wrong <= FaultLimits.listsDescribed else { return }
    state.listFaults.append("wrong: \(text)")
  }

  /// Descriptions of the first wrong lists and histories.
  var listFaults: [String] { self.state.withLock(\.listFaults) }

  var lists: ListTotals { self.state.withLock(\.lists) }

  /// The number of messages and copies that are still to be answered, or to come on some device.
  var underWay: Int {
    self.state.withLock {
      $0.ledger.totals.unanswered + $0.ledger.totals.lost + $0.copies.totals.lost
    }
  }

  // MARK: Signals

  /// What the next signal of a direction is called in its body. It counts as sent from now on.
  func nextSignal(_ direction: Direction) -> MessageID {
    guard let conversation = self.index[direction] else { preconditionFailure("no such direction") }
    return MessageID(
      "\(conversation).\(self.state.withLock { $0.signals.next(in: conversation) })")!
  }

  /// A device of `user` was told a signal.
  func told(
    _ place: Ledger.Place?, from sender: Int?, to user: Int, on device: Int, age: Duration?,
    isOlder: Bool
  ) {
    self.state.withLock { state in
      let faults = state.signals.told(
        place, from: sender, to: user, on: device, age: age, isOlder: isOlder,
        stall: state.stalls.recent * FaultLimits.signalSteps)
      for fault in faults {
        let signal = place.map { "\($0.conversation).\($0.number)" } ?? "without a number"
        self.note(
          &state,
          "\(fault): signal \(signal) on device \(device) of user \(user), after "
            + "\(age?.inSeconds ?? "-"), stalls of \(state.stalls.recent.inSeconds)")
      }
    }
  }

  /// This process came to what was due so much later.
  func stalled(for stall: Duration) {
    self.state.withLock { $0.stalls.note(stall, at: .now) }
  }

  var signals: SignalLedger.Totals { self.state.withLock(\.signals.totals) }
}
