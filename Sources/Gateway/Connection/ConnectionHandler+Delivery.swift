import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// Messages to the client, and its acks.
extension ConnectionHandler {
  /// Handles a message for this user from the gateway's stream.
  func handlePush(_ push: PushedMessage) {
    guard self.session.takesMessages else { return }
    switch self.delivery.pushed(
      previous: push.previous, offset: push.offset, canWrite: self.canWrite)
    {
    case .send:
      self.write { $0.writeImmutableBuffer(push.frame) }
      self.delivery.sent(push.offset, receipt: push.receipt)
      self.loop.metrics.delivered.increment()
      self.loop.metrics.deliverTime.recordNanoseconds(push.age())
    case .skip:
      break
    case .fallBehind:
      self.loop.metrics.fallenBehind.increment()
      self.requestPage()
    }
  }

  /// Reads the mailbox if a read is due and the socket takes more.
  func requestPage() {
    guard self.session.takesMessages, let maximum = self.delivery.nextPage(canWrite: self.canWrite)
    else {
      return
    }
    self.loop.pages.request(
      PageReader.Request(
        mailbox: self.loop.configuration.keys.mailbox(self.user), after: self.delivery.last,
        maximum: maximum, connection: self))
  }

  func pageArrived(_ result: Result<[Mailbox.Entry], RedisError>) {
    guard self.session.takesMessages else { return self.delivery.pageFailed() }
    guard case .success(let entries) = result else {
      self.delivery.pageFailed()
      return self.retryLater()
    }
    var isComplete = true
    let last = self.delivery.last
    for entry in entries where entry.offset > self.delivery.last {
      guard self.delivery.mayWrite(canWrite: self.canWrite) else {
        isComplete = false
        break
      }
      if let envelope = entry.envelope {
        self.write { $0.writeMailboxEntry(entry, envelope) }
        self.delivery.sent(entry.offset, receipt: .init(envelope))
        self.loop.metrics.delivered.increment()
      } else {
        self.delivery.skipped(entry.offset)
      }
    }
    // What is not above the last one is none of a page's: the largest offset there is, which has
    // nothing above it, or no answer of Redis. A page of nothing else is the end.
    let count = self.delivery.last > last ? entries.count : 0
    switch self.delivery.pageEnded(entries: count, isComplete: isComplete) {
    case .none: break
    case .more: self.requestPage()
    case .live(let offset): self.writeText { _ = $0.writeLive(offset) }
    }
  }

  // MARK: Acks

  func ack(_ offset: Offset) {
    guard let receipts = self.delivery.ack(offset) else { return }
    let ticket = self.receipts.acked(self.delivery.acked, receipts: receipts.count)
    if !receipts.isEmpty {
      let tracked = receipts.map { ReceiptTracker.Tracked(ticket: ticket, receipt: $0) }
      let bySender = Dictionary(grouping: tracked, by: \.receipt.to).values
      self.publishReceipts(bySender, haveWaited: false)
    }
    self.cursorMayHaveMoved()
    self.requestPage()
  }

  private func cursorMayHaveMoved() {
    self.carryOut(
      self.registration.moved(to: self.receipts.safe, underWay: self.receipts.underWay))
  }

  /// Tells senders that this device has their messages, as far as the user's budget goes.
  ///
  /// - Parameter bySender: those of each sender, which become one entry.
  private func publishReceipts(
    _ bySender: some Sequence<[ReceiptTracker.Tracked]>, haveWaited: Bool
  ) {
    let now = NIODeadline.now().uptimeNanoseconds
    for receipts in bySender {
      // Behind those that wait, they wait too: then all for one sender become one entry.
      guard haveWaited || !self.holdsReceipts,
        self.budget.takeReceipts(haveWaited: haveWaited, now: now)
      else {
        if !haveWaited { self.loop.metrics.receiptsDelayed.increment(by: receipts.count) }
        self.holdsReceipts = true
        self.receipts.attempted(receipts, isTaken: false)
        self.retryLater()
        continue
      }
      self.publishReceipt(receipts)
    }
  }

  /// Publishes one entry.
  ///
  /// - Parameter receipts: of one sender.
  private func publishReceipt(_ receipts: [ReceiptTracker.Tracked]) {
    // Ids need no escaping: their alphabet has neither quotes nor backslashes.
    var json = "[\"" + receipts.map(\.receipt.id.text).joined(separator: "\",\"") + "\"]"
    json.withUTF8 { utf8 in
      self.loop.producer.publish(
        .delivered(
          by: self.user, device: self.device, to: receipts[0].receipt.to,
          idsJSON: UnsafeRawBufferPointer(utf8)),
        // Were it sent again for want of replicas, its sender would see it again and again.
        isDurable: false, token: .receipts(self, receipts))
    }
  }

  /// Handles the bus's answer to receipts.
  func receiptsSettled(
    _ receipts: [ReceiptTracker.Tracked], _ result: Result<Offset, RedisError>
  ) {
    let isTaken = if case .success = result { true } else { false }
    self.receipts.attempted(receipts, isTaken: isTaken)
    if !isTaken, !self.isOver { self.retryLater() }
    self.cursorMayHaveMoved()
  }

  /// Has the loop call ``retry()`` within a second.
  func retryLater() {
    guard !self.awaitsRetry else { return }
    self.awaitsRetry = true
    self.loop.retryLater(self)
  }

  /// Tries again what failed or had to wait.
  func retry() {
    self.awaitsRetry = false
    guard !self.isOver else { return }
    if self.registration.state == .lost { self.registerAgain() }
    self.holdsReceipts = false
    let bySender = Dictionary(grouping: self.receipts.takeFailed(), by: \.receipt.to).values
    self.publishReceipts(bySender.sorted { $0[0].ticket < $1[0].ticket }, haveWaited: true)
    self.requestPage()
  }
}

extension DeliveryStateMachine.Receipt {
  /// Nil if the sender did not ask for a receipt.
  init?(_ envelope: Envelope) {
    guard envelope.kind == .message, envelope.flags.contains(.receipt) else { return nil }
    let names = envelope.bytes.withUnsafeBytes { raw in
      (UserName(utf8: envelope.from(in: raw)), MessageID(utf8: envelope.id(in: raw)))
    }
    guard let to = names.0, let id = names.1 else { return nil }
    self.init(to: to, id: id)
  }
}
