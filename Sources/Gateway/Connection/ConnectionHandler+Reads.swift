import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// What the client says that its user has read.
extension ConnectionHandler {
  func handle(_ read: ClientFrame.Read) {
    guard self.session.takesMessages else { return self.refuseEnding(read.id) }
    guard read.peer != self.user else {
      return self.refuse(read.id, .invalidRecipient, "`peer` must be another user")
    }
    guard self.active.reads.count + self.active.outbox.requests < GatewayLimits.unansweredReads
    else {
      return self.refuseOverloaded(
        read.id, "\(GatewayLimits.unansweredReads) reads of this connection are not answered yet")
    }
    let now = NIODeadline.now().uptimeNanoseconds
    if let shortage = self.budget.takeSend(
      isLookedUp: read.offset > self.active.delivery.last, now: now)
    {
      return self.refuse(read.id, self.refusal(for: shortage))
    }
    self.active.reads.append(read)
    self.takeReads()
  }

  /// Takes what waits, up to where something must be looked up first.
  func takeReads() {
    // While skipped messages are looked at: else the peer could hear of it before there is a row for it.
    while !self.active.outbox.isLooking,
      let step = self.active.reads.next(last: self.active.delivery.last, noted: self.noted)
    {
      self.follow(step)
    }
  }

  private func follow(_ step: ReadQueue.Step) {
    switch step {
    case .look(let look):
      self.loop.pages.request(PageReader.Request(kind: .look(look), connection: self))
    case .take(let read, let delivered):
      let unacked = self.active.delivery.unackedReceipt(of: read.peer, through: read.offset)
      let delivered = [delivered, unacked].compactMap { $0 }.max()
      if self.active.outbox.read(read, delivered: delivered) { self.tell([read.peer]) }
    }
  }

  func topArrived(_ result: Result<Offset, RedisError>) {
    self.lookEnded(result) { self.active.reads.topArrived($0) }
  }

  func lookArrived(_ result: Result<[Mailbox.Entry], RedisError>) {
    self.lookEnded(result) { entries in
      self.active.reads.entriesArrived(
        entries.map {
          ReadQueue.Entry(
            offset: $0.offset, bytes: $0.envelope?.bytes.count ?? 0,
            receiptFor: $0.envelope?.receiptFor)
        })
    }
  }

  private func lookEnded<Found>(
    _ result: Result<Found, RedisError>, _ next: (Found) -> ReadQueue.Step?
  ) {
    guard !self.isOver else { return }
    switch result {
    case .success(let found):
      if let step = next(found) { self.follow(step) }
    case .failure(let error):
      if !error.mayHaveBeenExecuted { self.budget.returnLookUp() }
      if let read = self.active.reads.failed() {
        self.refuse(
          read.id, .unavailable, "how far it goes could not be looked up; send it again",
          retryAfter: GatewayLimits.retryAfterMilliseconds)
      }
    }
    self.takeReads()
  }

  /// Stores how far the user has read, tells the user's other devices, and answers.
  func store(_ entry: PositionOutbox.Entry, of peer: UserName) {
    self.loop.reads.store(entry.mine, of: peer, by: self.user, on: self.ownSession) { result in
      switch result {
      case .success(let advance):
        self.answer(self.active.outbox.stored(peer, isStored: true), with: advance, of: peer)
        self.positionSettled(true)
      case .failure(let error):
        self.loop.noteRejection(error)
        _ = self.active.outbox.stored(peer, isStored: false)
        self.positionSettled(false)
      }
    }
  }

  private func answer(
    _ requests: [MessageID?], with advance: Positions.Advance, of peer: UserName
  ) {
    // Of an empty mailbox nothing can be read, and then there may be no row.
    let row = advance.row ?? Positions.Row(delivered: .zero, read: .zero, mine: .zero, stamp: 0)
    let action =
      advance.moved
      ? self.active.feed.moved(row.stamp, after: advance.previous, canWrite: true) : .none
    for id in requests {
      // With the stamp that was told last: a client must not take rows for told that were not.
      self.write(
        ServerFrame.Position(
          peer: peer, row: row, floor: advance.floor, stamp: self.active.feed.told, id: id))
    }
    if action == .read { self.readRows() }
  }
}
