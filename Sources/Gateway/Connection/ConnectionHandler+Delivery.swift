import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// Messages to the client, and its acks.
extension ConnectionHandler {
  /// Handles a message for this user from the gateway's stream.
  func handlePush(_ push: PushedMessage) {
    guard self.session.takesMessages else {
      if self.session.state == .opening { self.active.hasMissedPush = true }
      return
    }
    let active = self.active
    switch active.delivery.pushed(
      previous: push.previous, offset: push.offset, canWrite: self.canWrite)
    {
    case .send:
      active.isInUse = true
      self.write { $0.writeImmutableBuffer(push.frame) }
      active.delivery.sent(push.offset, receipt: push.receipt)
      if let copy = push.copy { self.copied(copy) }
      self.loop.metrics.delivered.increment()
      self.loop.metrics.deliverTime.recordNanoseconds(push.age())
    case .skip:
      self.restIfIdle()
    case .fallBehind:
      self.loop.metrics.fallenBehind.increment()
      self.requestPage()
    }
  }

  private func copied(_ copy: Envelope) {
    copy.bytes.withUnsafeBytes { raw in
      self.active.sendOrder.copied(SendOrder.Name(to: copy.from(in: raw), id: copy.id(in: raw)))
    }
  }

  /// Reads the mailbox if a read is due and the socket takes more.
  func requestPage() {
    // The rows that are new to the client come before `live`.
    guard self.session.takesMessages else { return }
    let active = self.active
    guard active.feed.hasCaughtUp,
      let maximum = active.delivery.nextPage(canWrite: self.canWrite)
    else { return }
    self.loop.pages.request(
      PageReader.Request(
        kind: .page(after: active.delivery.last, maximum: maximum), connection: self))
  }

  func pageArrived(_ result: Result<[Mailbox.Entry], RedisError>) {
    guard self.session.takesMessages else { return self.active.delivery.pageFailed() }
    guard case .success(let entries) = result else {
      self.active.delivery.pageFailed()
      return self.retryLater()
    }
    var isComplete = true
    let last = self.active.delivery.last
    for entry in entries where entry.offset > self.active.delivery.last {
      guard self.active.delivery.mayWrite(canWrite: self.canWrite) else {
        isComplete = false
        break
      }
      if let envelope = entry.envelope, envelope.isForClients {
        self.write { $0.writeMailboxEntry(entry, envelope) }
        self.active.delivery.sent(entry.offset, receipt: envelope.receiptFor)
        if envelope.kind == .sent { self.copied(envelope) }
        self.loop.metrics.delivered.increment()
      } else {
        self.active.delivery.skipped(entry.offset)
      }
    }
    // What is not above the last one is none of a page's: the largest offset there is, which has
    // nothing above it, or no answer of Redis. A page of nothing else is the end.
    let count = self.active.delivery.last > last ? entries.count : 0
    switch self.active.delivery.pageEnded(entries: count, isComplete: isComplete) {
    case .none: break
    case .more: self.requestPage()
    case .live(let offset): self.writeText { _ = $0.writeLive(offset) }
    }
  }

  // MARK: Acks

  func ack(_ offset: Offset) {
    let active = self.active
    guard let messages = active.delivery.ack(offset) else { return }
    self.tell(active.outbox.acked(active.delivery.acked, messages))
    self.cursorMayHaveMoved()
    self.requestPage()
  }

  /// Has the loop call ``retry()`` a second later.
  func retryLater() {
    guard !self.active.awaitsRetry else { return }
    self.active.awaitsRetry = true
    self.loop.retryLater(self)
  }

  /// Tries again what failed or had to wait.
  func retry() {
    self.active.awaitsRetry = false
    guard !self.isOver else { return }
    if self.registration.state == .lost { self.registerAgain() }
    self.active.holdsPositions = false
    self.tell(self.active.outbox.tick(), haveWaited: true)
    self.readSkipped()
    self.readRows()
    self.requestPage()
    self.restIfIdle()
  }
}
