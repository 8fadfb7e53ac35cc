import ConnectProtocol
import Testing

@testable import Gateway

@Suite("The cursor and the receipts before it")
struct ReceiptTrackerTests {
  private func receipts(_ numbers: Range<Int>) -> [DeliveryStateMachine.Receipt] {
    numbers.map { .init(to: UserName("alice")!, id: MessageID("m\($0)")!) }
  }

  @Test("An ack that causes no receipt may be stored at once")
  func plain() {
    var tracker = ReceiptTracker()
    #expect(tracker.safe == .zero)
    tracker.acked(at(3))
    #expect(tracker.safe == at(3))
    tracker.acked(at(2))
    #expect(tracker.safe == at(3), "a cursor never goes back")
  }

  @Test("An ack may be stored only when the bus has all its receipts, and those before")
  func inOrder() {
    var tracker = ReceiptTracker()
    tracker.publishing()
    tracker.acked(at(1))
    tracker.publishing()
    tracker.publishing()
    tracker.acked(at(2))
    #expect(tracker.safe == .zero)
    tracker.published(self.receipts(0..<1), isTaken: true)
    tracker.published(self.receipts(1..<2), isTaken: true)
    #expect(tracker.safe < at(2))
    tracker.published(self.receipts(2..<3), isTaken: true)
    #expect(tracker.safe == at(2))
  }

  @Test("Receipts that the bus did not take hold the cursor until they are taken")
  func failed() {
    var tracker = ReceiptTracker()
    tracker.publishing()
    tracker.acked(at(1))
    tracker.published(self.receipts(0..<2), isTaken: false)
    #expect(tracker.safe == .zero)
    tracker.acked(at(2))
    #expect(tracker.safe == .zero)

    let again = tracker.takeFailed()
    #expect(again == self.receipts(0..<2))
    let none = tracker.takeFailed()
    #expect(none.isEmpty, "they are taken once")
    tracker.publishing()
    tracker.acked(at(3))
    #expect(tracker.safe == .zero)
    tracker.published(again, isTaken: true)
    #expect(tracker.safe == at(3))
  }

  @Test("No more receipts wait than the limit: the oldest are given up")
  func bounded() {
    var tracker = ReceiptTracker()
    let limit = GatewayLimits.waitingReceipts
    tracker.publishing()
    tracker.published(self.receipts(0..<limit), isTaken: false)
    tracker.publishing()
    tracker.published(self.receipts(limit..<limit + 10), isTaken: false)
    #expect(tracker.failed == self.receipts(10..<limit + 10))
  }
}
