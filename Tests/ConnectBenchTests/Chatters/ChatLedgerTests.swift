import ConnectProtocol
import Testing

@testable import ConnectBench

/// The count itself: a driver that overlooks something proves nothing.
@Suite("The ledger of chatters")
struct ChatLedgerTests {
  /// Users 0 and 2 write to user 1, who alone has devices, two, and writes to user 0.
  private let ledger = ChatLedger(
    directions: [.init(from: 0, to: 1), .init(from: 2, to: 1), .init(from: 1, to: 0)],
    devices: [0, 2, 0])
  private let fromZero = ChatLedger.Direction(from: 0, to: 1)
  private let fromTwo = ChatLedger.Direction(from: 2, to: 1)

  private let fromOne = ChatLedger.Direction(from: 1, to: 0)

  private func accepted(_ direction: ChatLedger.Direction) -> MessageID {
    let id = self.ledger.next(direction)
    self.ledger.accepted(id, offset: Offset(milliseconds: 1, sequence: 0))
    return id
  }

  private func show(_ ids: MessageID..., on device: Int) {
    for id in ids {
      self.ledger.shown(
        id, to: 1, device: device, offset: .zero, isIntact: true, latency: .zero)
    }
  }

  @Test("a message is lost until every device of its recipient was shown it")
  func lost() {
    let id = self.accepted(self.fromZero)
    #expect(self.ledger.totals.lost == 1)
    self.show(id, on: 0)
    #expect(self.ledger.totals.lost == 1)
    #expect(self.ledger.lostOnes.first?.contains("on devices [1]") == true)
    self.show(id, on: 1)
    #expect(self.ledger.totals.lost == 0)
    #expect(self.ledger.totals.shown == 2)
  }

  @Test("a message that was shown before it was accepted is not lost")
  func shownFirst() {
    let id = self.ledger.next(self.fromZero)
    self.show(id, on: 0)
    self.show(id, on: 1)
    self.ledger.accepted(id, offset: .zero)
    #expect(self.ledger.totals.lost == 0)
    #expect(self.ledger.totals.unanswered == 0)
  }

  @Test("a message that came back as failed is failed, not lost")
  func failed() {
    let id = self.accepted(self.fromZero)
    self.ledger.failed(id, code: "mailbox_full")
    #expect(self.ledger.totals.lost == 0)
    #expect(self.ledger.totals.failed == 1)
  }

  @Test("a second time on the same device is a repeat")
  func repeated() {
    let id = self.accepted(self.fromZero)
    self.show(id, id, on: 0)
    self.show(id, on: 1)
    #expect(self.ledger.totals.repeated == 1)
  }

  private var report: FaultReport { self.report() }

  private func report(
    requiredRejections: Int = 0, mayLose: Bool = false, faults: [FaultReport.Fault] = []
  ) -> FaultReport {
    FaultReport(
      seed: 1, seconds: 1, chatters: Chatters.Options(), ledger: self.ledger,
      requiredRejections: requiredRejections, mayLose: mayLose, faults: faults)
  }

  @Test("behind what was enqueued later is out of order, and breaks a promise")
  func reordered() {
    let first = self.accepted(self.fromZero)
    let second = self.accepted(self.fromZero)
    self.show(first, second, on: 0)
    #expect(self.ledger.totals.reordered == 0)
    self.show(second, first, on: 1)
    #expect(self.ledger.totals.reordered == 1)
    #expect(self.ledger.totals.lost == 0)
    #expect(!self.report.keepsPromises)
  }

  @Test("where a primary may take messages along, they may come again, out of order")
  func lateAfterLoss() {
    let first = self.accepted(self.fromZero)
    let second = self.accepted(self.fromZero)
    for device in 0...1 { self.show(second, first, on: device) }
    let copies = (0..<2).map { _ in self.accepted(self.fromOne) }
    for device in 0...1 { self.copy(copies[1], copies[0], on: device) }
    #expect(self.ledger.totals.reordered == 2 && self.ledger.copies.reordered == 2)
    #expect(!self.report.keepsPromises && self.report(mayLose: true).keepsPromises)
  }

  @Test("so is what was rejected for the moment and sent again: a rejection excuses nothing")
  func reorderedAfterRejection() {
    let first = self.ledger.next(self.fromZero)
    let second = self.ledger.next(self.fromZero)
    self.ledger.postponed(first, isOpenLoop: true)
    for id in [second, first] { self.ledger.accepted(id, offset: .zero) }
    for device in 0...1 { self.show(second, first, on: device) }
    #expect(self.ledger.totals.postponed == 1)
    #expect(self.ledger.totals.reordered == 2)
    #expect(!self.report.keepsPromises)
    #expect(self.report.incidents.contains { $0.contains("reordered: message 0.0") })
  }

  @Test("in its place, what was rejected and sent again is in order")
  func rejectedInOrder() {
    let ids = (0..<3).map { _ in self.ledger.next(self.fromZero) }
    for id in ids { self.ledger.postponed(id) }
    for id in ids { self.ledger.accepted(id, offset: .zero) }
    for device in 0...1 { self.show(ids[0], ids[1], ids[2], on: device) }
    #expect(self.report.postponed == 3 && self.report.postponedOpenLoop == 0)
    #expect(self.report.isSound)
  }

  @Test("a run in which too few sends of raw senders were rejected says nothing about order")
  func tooFewRejections() {
    let id = self.ledger.next(self.fromZero)
    for _ in 1..<FaultLimits.rejectionsPerFault { self.ledger.postponed(id, isOpenLoop: true) }
    // Senders that wait for answers prove nothing.
    self.ledger.postponed(id)
    self.ledger.accepted(id, offset: .zero)
    for device in 0...1 { self.show(id, on: device) }
    let required = FaultLimits.rejectionsPerFault
    #expect(self.report(requiredRejections: required).keepsPromises)
    #expect(!self.report(requiredRejections: required).isSound)
    #expect(self.report(requiredRejections: required).table().contains("too few, 50 are needed"))
    self.ledger.postponed(id, isOpenLoop: true)
    #expect(self.report(requiredRejections: required).isSound)
  }

  @Test("a lost message breaks a promise, unless no replica had to have it and one may take over")
  func mayLose() {
    _ = self.accepted(self.fromZero)
    #expect(!self.report.keepsPromises)
    #expect(self.report.isSoundButForLosses)
    #expect(self.report(mayLose: true).isSound)
  }

  @Test("messages of two senders in another order than on another device are a disagreement")
  func disagreed() {
    let one = self.accepted(self.fromZero)
    let other = self.accepted(self.fromTwo)
    self.show(one, other, on: 0)
    self.show(other, one, on: 1)
    #expect(self.ledger.totals.reordered == 0)
    #expect(self.ledger.totals.disagreed == 1)
  }

  /// Copies of what user 1 sends, on that user's devices.
  private func copy(
    _ ids: MessageID..., on device: Int, to recipient: Int = 0, isIntact: Bool = true
  ) {
    for id in ids {
      self.ledger.shownCopy(
        id, of: 1, to: recipient, device: device, offset: .zero, isIntact: isIntact)
    }
  }

  @Test("a copy is lost until every device of its sender was shown it, once and in order")
  func copies() {
    let ids = (0..<2).map { _ in self.accepted(self.fromOne) }
    #expect(self.ledger.copies.lost == 2)
    self.copy(ids[0], ids[1], on: 0)
    #expect(self.ledger.copies.lost == 2 && self.ledger.copies.reordered == 0)
    self.copy(ids[1], ids[0], ids[0], on: 1)
    #expect(self.ledger.copies.lost == 0 && self.ledger.copies.shown == 4)
    #expect(self.ledger.copies.reordered == 1 && self.ledger.copies.repeated == 1)
    #expect(!self.report(mayLose: true).keepsPromises)
  }

  @Test("a lost copy breaks a promise, and is named")
  func lostCopy() {
    let id = self.accepted(self.fromOne)
    self.copy(id, on: 0)
    #expect(!self.report.keepsPromises && self.report(mayLose: true).keepsPromises)
    #expect(self.report.incidents == ["lost: copy of message 2.0, user 1 to 0, on devices [1]"])
    self.copy(id, on: 1)
    #expect(self.report.keepsPromises)
  }

  @Test("a copy for somebody else, of another recipient or another body is garbled")
  func garbledCopies() {
    let id = self.accepted(self.fromOne)
    self.copy(id, on: 0, to: 2)
    self.copy(id, on: 0, isIntact: false)
    self.copy(self.accepted(self.fromZero), MessageID("9.9")!, on: 0)
    #expect(self.ledger.copies.garbled == 4 && self.ledger.copies.shown == 0)
    #expect(!self.report(mayLose: true).keepsPromises)
  }

  @Test("a copy and a message in another order than on another device are a disagreement")
  func disagreedCopy() {
    let received = self.accepted(self.fromZero)
    let sent = self.accepted(self.fromOne)
    self.show(received, on: 0)
    self.copy(sent, on: 0)
    self.copy(sent, on: 1)
    self.show(received, on: 1)
    #expect(self.ledger.totals.disagreed == 1)
  }

  @Test("a position that is behind breaks a promise, as a loss does; one that is ahead always does")
  func positions() {
    let one = Offset(milliseconds: 1, sequence: 0)
    self.ledger.read(Ledger.Place(conversation: 2, number: 0), to: one, isPrivate: false)
    #expect(self.report.positionsBehind == 1)
    #expect(!self.report.keepsPromises && self.report(mayLose: true).keepsPromises)
    #expect(self.report.incidents.count == 2)
    for read in [one, one.successor] {
      for device in 0...1 {
        self.ledger.told(
          .init(peer: UserName("zero")!, read: read, stamp: 1), of: 1, with: 0, on: device)
      }
      #expect(self.report.keepsPromises == (read == one))
    }
    #expect(self.report.positions == 4 && self.report.positionsAhead == 2)
    #expect(!self.report(mayLose: true).keepsPromises)
  }

  @Test("a device that lags behind does not disagree")
  func lag() {
    let one = self.accepted(self.fromZero)
    let other = self.accepted(self.fromTwo)
    let later = self.accepted(self.fromZero)
    self.show(one, other, later, on: 1)
    self.show(one, other, later, on: 0)
    #expect(self.ledger.totals.disagreed == 0)
    #expect(self.ledger.totals.lost == 0)
  }

  @Test("a wrong recipient, a wrong body and an unknown message are garbled")
  func garbled() {
    let id = self.accepted(self.fromZero)
    self.ledger.shown(id, to: 2, device: 0, offset: .zero, isIntact: true, latency: nil)
    self.ledger.shown(id, to: 1, device: 0, offset: .zero, isIntact: false, latency: nil)
    self.show(MessageID("0.7")!, MessageID("nonsense")!, on: 0)
    #expect(self.ledger.totals.garbled == 4)
    #expect(self.ledger.totals.shown == 0)
  }

  @Test("what was enqueued before the keyspace was thrown away may be lost, but not repeated")
  func excused() {
    let early = self.accepted(self.fromZero)
    let untold = self.ledger.next(self.fromZero)
    self.ledger.excuseLosses()
    self.ledger.accepted(untold, offset: .zero)
    #expect(self.ledger.totals.lost == 0)
    self.show(early, early, on: 0)
    #expect(self.ledger.totals.repeated == 1)
    _ = self.accepted(self.fromZero)
    #expect(self.ledger.totals.lost == 1)
  }

  /// User 1 has a device that comes at the end, after two.
  private func ledgerWithNewcomer() -> ChatLedger {
    ChatLedger(
      directions: [self.fromZero, self.fromTwo, self.fromOne], devices: [0, 2, 0],
      newcomers: [0, 1, 0])
  }

  /// Messages of two senders and a copy, shown to both devices in this order.
  private func shownToAll(_ ledger: ChatLedger) -> [MessageID] {
    let ids = [self.fromZero, self.fromTwo, self.fromZero, self.fromOne].map(ledger.next)
    for id in ids { ledger.accepted(id, offset: .zero) }
    for device in 0...1 { for id in ids { self.show(id, on: device, in: ledger) } }
    return ids
  }

  private func show(_ id: MessageID, on device: Int, in ledger: ChatLedger) {
    if ChatTraits(id)?.conversation == 2 {
      ledger.shownCopy(id, of: 1, to: 0, device: device, offset: .zero, isIntact: true)
    } else {
      ledger.shown(id, to: 1, device: device, offset: .zero, isIntact: true, latency: nil)
    }
  }

  @Test("a device that comes at the end may miss what is gone")
  func newcomer() {
    let ledger = self.ledgerWithNewcomer()
    let ids = self.shownToAll(ledger)
    #expect(ledger.totals.lost == 0 && ledger.copies.lost == 0)
    for id in ids.suffix(2) { self.show(id, on: 2, in: ledger) }
    #expect(ledger.totals.reordered == 0 && ledger.totals.disagreed == 0)
    #expect(ledger.incidents.isEmpty)
    #expect(ledger.totals.shown == 7 && ledger.copies.shown == 3)
  }

  @Test("what a device that comes at the end is shown twice or out of order is seen")
  func wrongNewcomer() {
    let ledger = self.ledgerWithNewcomer()
    let ids = self.shownToAll(ledger)
    for id in [ids[1], ids[0]] { self.show(id, on: 2, in: ledger) }
    #expect(ledger.totals.disagreed == 1, "another order than on the others")
    for id in [ids[3], ids[2]] { self.show(id, on: 2, in: ledger) }
    #expect(ledger.totals.disagreed == 2, "a copy before the message that it followed")
    for id in [ids[2], ids[3]] { self.show(id, on: 2, in: ledger) }
    #expect(ledger.totals.repeated == 1 && ledger.copies.repeated == 1)
    let other = self.ledgerWithNewcomer()
    let others = self.shownToAll(other)
    for id in [others[2], others[0]] { self.show(id, on: 2, in: other) }
    #expect(other.totals.reordered == 1)
  }

  @Test("what a device that comes at the end missed is not lost, and what the others missed is")
  func lostBesideNewcomer() {
    let ledger = self.ledgerWithNewcomer()
    let id = ledger.next(self.fromZero)
    ledger.accepted(id, offset: .zero)
    for device in [0, 2] { self.show(id, on: device, in: ledger) }
    #expect(ledger.totals.lost == 1)
    #expect(ledger.lostOnes.first?.contains("on devices [1]") == true)
    self.show(id, on: 1, in: ledger)
    #expect(ledger.totals.lost == 0)
  }

  @Test("a loss takes what a device acked along: no other that is shown it later tells it again")
  func acksBehindLoss() {
    let ledger = ChatLedger(directions: [self.fromZero], devices: [1, 2])
    let ids = (0...FaultLimits.receiptEvery).map { _ in ledger.next(self.fromZero) }
    func show(_ id: MessageID, on device: Int, at milliseconds: UInt64) -> Int {
      ledger.shown(
        id, to: 1, device: device, offset: Offset(milliseconds: milliseconds, sequence: 0),
        isIntact: true, latency: nil)
      return ledger.positionsBehind
    }
    #expect(show(ids[0], on: 0, at: 5) == 1)
    ledger.excuseLosses()
    #expect(show(ids[0], on: 1, at: 5) == 0)
    // Nobody had acked that.
    #expect(show(ids[FaultLimits.receiptEvery], on: 1, at: 6) == 1)
  }

  @Test("what a device that comes at the end acks tells senders nothing new")
  func newcomerAcks() {
    let ledger = ChatLedger(directions: [self.fromZero], devices: [1, 1], newcomers: [0, 1])
    let id = ledger.next(self.fromZero)
    for (device, behind) in [(1, 0), (0, 1)] {
      ledger.shown(
        id, to: 1, device: device, offset: Offset(milliseconds: 5, sequence: 0), isIntact: true,
        latency: nil)
      #expect(ledger.positionsBehind == behind)
    }
  }

  @Test("a message that was taken back was never sent")
  func takenBack() {
    _ = self.ledger.next(self.fromZero)
    self.ledger.takeBack(self.fromZero)
    #expect(self.ledger.totals.sent == 0)
    #expect(self.ledger.next(self.fromZero).text == "0.0")
  }
}
