import ConnectProtocol
import Testing

@testable import ConnectFaults

/// The count itself: a driver that overlooks something proves nothing.
@Suite("The ledger")
struct LedgerTests {
  /// Users 0 and 2 write to user 1, who has two devices.
  private let ledger = Ledger(
    directions: [.init(from: 0, to: 1), .init(from: 2, to: 1)], devices: [1, 2, 1])
  private let fromZero = Ledger.Direction(from: 0, to: 1)
  private let fromTwo = Ledger.Direction(from: 2, to: 1)

  private func accepted(_ direction: Ledger.Direction) -> MessageID {
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
    #expect(self.ledger.lost == 1)
    self.show(id, on: 0)
    #expect(self.ledger.lost == 1)
    #expect(self.ledger.lostOnes.first?.contains("on devices [1]") == true)
    self.show(id, on: 1)
    #expect(self.ledger.lost == 0)
    #expect(self.ledger.totals.shown == 2)
  }

  @Test("a message that was shown before it was accepted is not lost")
  func shownFirst() {
    let id = self.ledger.next(self.fromZero)
    self.show(id, on: 0)
    self.show(id, on: 1)
    self.ledger.accepted(id, offset: .zero)
    #expect(self.ledger.lost == 0)
    #expect(self.ledger.unanswered == 0)
  }

  @Test("a message that came back as failed is failed, not lost")
  func failed() {
    let id = self.accepted(self.fromZero)
    self.ledger.failed(id, code: "mailbox_full")
    #expect(self.ledger.lost == 0)
    #expect(self.ledger.totals.failed == 1)
  }

  @Test("a second time on the same device is a repeat")
  func repeated() {
    let id = self.accepted(self.fromZero)
    self.show(id, id, on: 0)
    self.show(id, on: 1)
    #expect(self.ledger.totals.repeated == 1)
  }

  @Test("behind what was enqueued later is out of order, unless it had been postponed")
  func reordered() {
    let first = self.accepted(self.fromZero)
    let second = self.accepted(self.fromZero)
    self.show(second, first, on: 0)
    #expect(self.ledger.totals.reordered == 1)
    self.ledger.postponed(first)
    self.show(second, first, on: 1)
    #expect(self.ledger.totals.reordered == 1)
    #expect(self.ledger.totals.overtaken == 1)
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

  @Test("a device that lags behind does not disagree")
  func lag() {
    let one = self.accepted(self.fromZero)
    let other = self.accepted(self.fromTwo)
    let later = self.accepted(self.fromZero)
    self.show(one, other, later, on: 1)
    self.show(one, other, later, on: 0)
    #expect(self.ledger.totals.disagreed == 0)
    #expect(self.ledger.lost == 0)
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
    #expect(self.ledger.lost == 0)
    self.show(early, early, on: 0)
    #expect(self.ledger.totals.repeated == 1)
    _ = self.accepted(self.fromZero)
    #expect(self.ledger.lost == 1)
  }

  @Test("a message that was taken back was never sent")
  func takenBack() {
    _ = self.ledger.next(self.fromZero)
    self.ledger.takeBack(self.fromZero)
    #expect(self.ledger.totals.enqueued == 0)
    #expect(self.ledger.next(self.fromZero).text == "0.0")
  }
}
