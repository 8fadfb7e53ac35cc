import NIOCore

/// The rare case: commands that must be sent again.
extension ClusterClient {
  /// Handles a node's replies to a whole batch.
  func answered(_ request: ClusterRequest, _ replies: RedisReplies, by node: ClusterNode) {
    if self.holds.isEmpty, !Self.mayHaveRedirect(replies) {
      self.progressed(node)
      return request.settle(replies)
    }
    self.answered(request, at: [0..<request.batch.count], replies, by: node)
  }

  /// Handles a node's replies to its share of a batch.
  func answered(
    _ request: ClusterRequest, at places: [Range<Int>], _ replies: RedisReplies,
    by node: ClusterNode
  ) {
    let isPlain = self.holds.isEmpty && !Self.mayHaveRedirect(replies)
    var settled: [(Range<Int>, [RedisReplies.Answer])] = []
    var local = 0
    for place in places {
      guard !isPlain else {
        settled.append((place, (local..<local + place.count).map { replies.answer($0) }))
        local += place.count
        continue
      }
      var start = place.lowerBound
      while start < place.upperBound {
        let unit = self.unit(request.batch.unit(at: start), of: request)
        let slot = request.batch.commands[start].slot
        let range = local..<local + unit.commands.count
        self.sort(unit, slot: slot, range, of: replies, by: node) { settled.append(($0, $1)) }
        start = unit.commands.upperBound
        local = range.upperBound
      }
    }
    self.progressed(node)
    for (commands, answers) in settled { request.settle(commands, answers) }
    self.sendReadyRounds()
  }

  private static func mayHaveRedirect(_ replies: RedisReplies) -> Bool {
    replies.error { error in
      switch error.code {
      case "MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "LOADING", "READONLY", "MASTERDOWN",
        "EXECABORT":
        true
      default: false
      }
    } != nil
  }

  /// Settles a unit, or holds it.
  ///
  /// - Parameters:
  ///   - range: where the unit's replies are among `replies`.
  ///   - settle: called for the unit if its answer is final. Others that it settles are completed
  ///     here.
  /// - Returns: whether the unit has to wait for the cluster.
  @discardableResult
  private func sort(
    _ unit: Hold.Unit, slot: HashSlot?, _ range: Range<Int>, of replies: RedisReplies,
    by node: ClusterNode, settle: (Range<Int>, [RedisReplies.Answer]) -> Void
  ) -> Bool {
    var unit = unit
    let answers = range.map { replies.answer($0) }
    guard let redirect = Redirect.of(range, replies, asked: node.address) else {
      if let slot, self.holds[slot] != nil, Self.mayBeExecuted(answers) {
        unit.answers = answers
        switch self.holds[slot]!.executed(unit) {
        case .held: return false
        case .settled(let overtaken): for other in overtaken { self.giveUp(other) }
        }
      }
      settle(unit.commands, answers)
      return false
    }
    let (redirected, target) = self.follow(redirect)
    unit.attempts += 1
    unit.answers = answers
    unit.target = target
    // Redis knows better than who named a key.
    guard let slot = redirected ?? slot, unit.attempts < RedisLimits.maximumRedirects,
      NIODeadline.now() < unit.request.deadline, !self.isClosed
    else {
      settle(unit.commands, answers)
      return false
    }
    if self.holds[slot] == nil {
      // Behind it more of the slot may be under way to that node.
      self.hold(slot, until: node.sent, at: node)
    }
    self.holds[slot]?.insert(unit)
    return redirect == .wait
  }

  /// Whether a node executed, or may have executed, commands.
  private static func mayBeExecuted(_ answers: [RedisReplies.Answer]) -> Bool {
    answers.contains { answer in
      if case .failure(let error) = answer { error.mayHaveBeenExecuted } else { true }
    }
  }

  /// Learns from a redirect where to send the command.
  private func follow(_ redirect: Redirect) -> (HashSlot?, Hold.Target) {
    switch redirect {
    case .moved(let slot, let address?):
      self.apply(self.topologies.moved(slot, to: address))
      return (slot, .owner)
    case .ask(let slot, let address?):
      return (slot, .asking(address))
    case .moved(let slot, nil), .ask(let slot, nil):
      self.topologies.refresh()
      return (slot, .owner)
    case .wait:
      self.topologies.refresh()
      return (nil, .owner)
    }
  }

  /// Completes a unit with the answers to its last attempt.
  func giveUp(_ unit: Hold.Unit, _ error: RedisError = .unavailable("the cluster was changing")) {
    if let answers = unit.answers {
      unit.request.settle(unit.commands, answers)
    } else {
      unit.request.settle(unit.commands, failed: error)
    }
  }

  // MARK: Rounds

  func sendReadyRounds() {
    for slot in self.holds.keys where self.holds[slot]?.phase == .ready { self.sendRound(of: slot) }
  }

  func sendRound(of slot: HashSlot) {
    guard var hold = self.holds[slot], hold.phase == .ready else { return }
    guard !self.isClosed else {
      self.holds[slot] = nil
      for unit in hold.takeAll() { self.giveUp(unit, Self.closed) }
      return
    }
    let round = hold.takeRound { first, unit in
      let (first, batch) = (first.request.batch, unit.request.batch)
      // What was read would be answered with the last read of the round, which may wait for long.
      return !first.isBlocking && !batch.isBlocking && first.confirmation == batch.confirmation
    }
    guard !round.isEmpty else {
      self.holds[slot] = nil
      return
    }
    hold.phase = .underWay
    self.holds[slot] = hold
    // What was answered late, or held behind that, may be overdue.
    let now = NIODeadline.now()
    let units = round.filter { $0.request.deadline > now }
    defer { for unit in round where unit.request.deadline <= now { self.giveUp(unit) } }
    guard let first = units.first else { return self.continue(slot, afterPause: false) }
    let address: RedisAddress? =
      switch first.target {
      case .owner: self.topology.owner(of: slot)
      case .asking(let address): address
      }
    guard let address else {
      return self.roundFailed(slot, units, .unavailable("no node has slot \(slot.number)"))
    }
    let node = self.node(at: address)
    var batch = RedisBatch()
    batch.confirmation = first.request.batch.confirmation
    batch.isBlocking = first.request.batch.isBlocking
    for unit in units {
      if first.target != .owner { batch.append("ASKING") }
      batch.append(unit.commands, of: unit.request.batch)
    }
    let timeout = units.map(\.request.timeout).max() ?? first.request.timeout
    node.submit(batch, timeout: timeout) { replies in
      self.roundAnswered(slot, units, replies, by: node)
    }
  }

  private func roundFailed(_ slot: HashSlot, _ units: [Hold.Unit], _ error: RedisError) {
    self.topologies.refresh()
    for unit in units { self.giveUp(unit, error) }
    self.continue(slot, afterPause: false)
  }

  private func roundAnswered(
    _ slot: HashSlot, _ units: [Hold.Unit], _ replies: RedisReplies, by node: ClusterNode
  ) {
    var settled: [(ClusterRequest, Range<Int>, [RedisReplies.Answer])] = []
    var mustWait = false
    var attempts = 0
    var local = 0
    for unit in units {
      if unit.target != .owner { local += 1 }
      let range = local..<local + unit.commands.count
      local = range.upperBound
      let waits = self.sort(unit, slot: slot, range, of: replies, by: node) {
        settled.append((unit.request, $0, $1))
      }
      mustWait = mustWait || waits
      attempts = max(attempts, unit.attempts)
    }
    self.progressed(node)
    for (request, commands, answers) in settled { request.settle(commands, answers) }
    // A second redirect in a row: who sends it does not know of the change yet.
    self.continue(slot, afterPause: mustWait || attempts > 1, attempts: attempts)
    // A redirect may have named another slot than the command's key.
    self.sendReadyRounds()
  }

  private func `continue`(_ slot: HashSlot, afterPause: Bool, attempts: Int = 0) {
    guard self.holds[slot] != nil else { return }
    guard afterPause, self.holds[slot]?.units.isEmpty == false else {
      self.holds[slot]?.phase = .ready
      return self.sendRound(of: slot)
    }
    self.holds[slot]?.phase = .pausing
    let cap = RedisLimits.redirectCapMilliseconds
    let bound = min(
      RedisLimits.redirectBaseMilliseconds << min(Int64(max(attempts - 1, 0)), 10), cap)
    var backoff = Backoff(baseMilliseconds: bound, capMilliseconds: cap)
    self.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(backoff.next())) {
      guard self.holds[slot]?.phase == .pausing else { return }
      self.holds[slot]?.phase = .ready
      self.sendRound(of: slot)
    }
  }
}
