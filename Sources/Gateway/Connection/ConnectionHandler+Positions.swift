import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// How far the client and its peers have got.
extension ConnectionHandler {
  // MARK: Telling peers

  /// Tells peers how far the device has acked and the user has read, as far as the user's budget goes.
  func tell(_ peers: some Sequence<UserName>, haveWaited: Bool = false) {
    let now = NIODeadline.now().uptimeNanoseconds
    for peer in peers {
      // Behind those that wait, they wait too: then all for one peer become one entry. What was read is
      // paid for already.
      guard
        self.active.outbox.hasRead(peer)
          || (haveWaited || !self.active.holdsPositions)
            && self.budget.takePosition(haveWaited: haveWaited, now: now)
      else {
        if !haveWaited { self.loop.metrics.positionsDelayed.increment() }
        self.active.holdsPositions = true
        continue
      }
      guard let entry = self.active.outbox.take(peer) else { continue }
      guard entry.isForPeer else {
        self.store(entry, of: peer)
        continue
      }
      self.loop.publish(
        .position(of: self.user, for: peer, entry.told), token: .position(self, peer))
    }
    if self.active.outbox.awaitsTick, !self.isOver { self.retryLater() }
  }

  /// Handles the bus's answer to a position.
  func told(_ peer: UserName, _ result: Result<Offset, RedisError>) {
    let isTaken = if case .success = result { true } else { false }
    if isTaken { self.loop.metrics.positionsTold.increment() }
    if let entry = self.active.outbox.told(peer, isTaken: isTaken) { self.store(entry, of: peer) }
    self.positionSettled(isTaken)
  }

  func positionSettled(_ isTaken: Bool) {
    if self.isOver {
      // What came while it was under way. After a failure the next connection tells it, since the cursor
      // has not moved.
      if isTaken { self.tell(self.active.outbox.close(), haveWaited: true) }
    } else if self.active.outbox.awaitsTick {
      self.retryLater()
    }
    self.cursorMayHaveMoved()
    self.readSkipped()
    self.requestPage()
    self.restIfIdle()
  }

  func cursorMayHaveMoved() {
    let active = self.active
    self.carryOut(
      self.registration.moved(to: active.outbox.safe, underWay: active.outbox.underWay))
  }

  // MARK: What was skipped

  /// Looks at messages that the client has handled, but whose senders were not told, as far as it is not
  /// done.
  func readSkipped() {
    let active = self.active
    guard let start = active.outbox.lookStart, !active.isReadingSkipped, !self.isOver,
      active.outbox.unsettled < GatewayLimits.waitingPositions
    else { return }
    active.isReadingSkipped = true
    self.loop.pages.request(
      PageReader.Request(
        kind: .skipped(after: start, maximum: active.skippedPage.entries), connection: self))
  }

  func skippedArrived(_ result: Result<[Mailbox.Entry], RedisError>) {
    self.active.isReadingSkipped = false
    guard !self.isOver else { return }
    guard case .success(let entries) = result, let start = self.active.outbox.lookStart else {
      self.active.skippedPage.shrink()
      return self.retryLater()
    }
    // What lies above was sent on this connection, or will be.
    let skipped = entries.prefix { $0.offset <= self.active.skippedEnd }
    let messages = skipped.compactMap { entry in
      entry.envelope?.receiptFor.map {
        PositionOutbox.Message(peer: $0, offset: entry.offset)
      }
    }
    let due = self.active.outbox.looked(
      through: skipped.last?.offset ?? start,
      isLast: skipped.count < entries.count || entries.count < self.active.skippedPage.entries,
      messages)
    self.active.skippedPage.grow()
    self.tell(due)
    self.cursorMayHaveMoved()
    self.readSkipped()
    self.takeReads()
  }

  // MARK: What the client is told

  func write(_ position: ServerFrame.Position) {
    self.writeText { _ = $0.writePosition(position) }
  }

  /// A row of the user's positions has moved.
  func positionMoved(_ moved: MovedPosition) {
    guard self.session.takesMessages else { return }
    let action = self.active.feed.moved(
      moved.row.stamp, after: moved.previous, canWrite: self.canWrite)
    switch action {
    case .tell:
      self.write(ServerFrame.Position(peer: moved.peer, row: moved.row, floor: moved.floor))
    case .read: self.readRows()
    case .none: self.restIfIdle()
    }
  }

  /// The highest stamp was looked up.
  func positionsCompared(with top: UInt64) {
    // Nearly always: an idle connection stays so.
    guard top > self.told else { return }
    if self.active.feed.compared(with: top) == .read { self.readRows() }
  }

  /// Tells the rows that were read, and reads those that are missing, as far as the socket takes more.
  func readRows() {
    guard self.session.takesMessages else { return }
    while let told = self.active.feed.next(canWrite: self.canWrite) {
      self.write(ServerFrame.Position(peer: told.peer, row: told.row, floor: told.floor))
    }
    guard self.active.feed.read(canWrite: self.canWrite) else { return }
    self.loop.pages.request(PageReader.Request(kind: .rows, connection: self))
  }

  func rowsArrived(_ result: Result<Positions.Table, RedisError>) {
    guard case .success(let table) = result, self.session.takesMessages else {
      self.active.feed.failed()
      return self.retryLater()
    }
    self.active.feed.arrived(table)
    self.readRows()
    self.requestPage()
  }
}
