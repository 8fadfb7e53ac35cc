import ConnectProtocol
import ConnectTestStand
import SeededRandom
import Testing

@testable import Gateway

@Suite("The cursor and the receipts before it")
struct ReceiptTrackerTests {
  private func receipts(
    _ numbers: Range<Int>, for ticket: ReceiptTracker.Ticket
  ) -> [ReceiptTracker.Tracked] {
    numbers.map {
      .init(ticket: ticket, receipt: .init(to: UserName("alice")!, id: MessageID("m\($0)")!))
    }
  }

  @Test("An ack that causes no receipt may be stored at once")
  func plain() {
    var tracker = ReceiptTracker()
    #expect(tracker.safe == .zero)
    _ = tracker.acked(at(3), receipts: 0)
    #expect(tracker.safe == at(3))
    _ = tracker.acked(at(2), receipts: 0)
    #expect(tracker.safe == at(3), "a cursor never goes back")
  }

  @Test("An ack may be stored only when the bus has all its receipts, and those before")
  func inOrder() {
    var tracker = ReceiptTracker()
    let first = tracker.acked(at(1), receipts: 1)
    let second = tracker.acked(at(2), receipts: 2)
    _ = tracker.acked(at(3), receipts: 0)
    #expect(tracker.safe == .zero)
    tracker.attempted(self.receipts(1..<3, for: second), isTaken: true)
    #expect(tracker.safe == .zero, "the first is not on the bus")
    tracker.attempted(self.receipts(0..<1, for: first), isTaken: true)
    #expect(tracker.safe == at(3))
  }

  @Test("The cursor goes up while receipts are under way without a pause")
  func steady() {
    var tracker = ReceiptTracker()
    var last = tracker.acked(at(1), receipts: 1)
    for number in 2..<1_000 {
      let next = tracker.acked(at(UInt64(number)), receipts: 1)
      tracker.attempted(self.receipts(0..<1, for: last), isTaken: true)
      #expect(tracker.safe == at(UInt64(number - 1)))
      last = next
    }
  }

  @Test("Receipts that the bus did not take hold the cursor until they are taken")
  func failed() {
    var tracker = ReceiptTracker()
    let first = tracker.acked(at(1), receipts: 2)
    let second = tracker.acked(at(2), receipts: 1)
    tracker.attempted(self.receipts(0..<2, for: first), isTaken: false)
    tracker.attempted(self.receipts(2..<3, for: second), isTaken: true)
    #expect(tracker.safe == .zero)
    #expect(tracker.underWay == 0)

    let again = tracker.takeFailed()
    #expect(tracker.underWay == 2)
    #expect(again == self.receipts(0..<2, for: first))
    let none = tracker.takeFailed()
    #expect(none.isEmpty, "they are taken once")
    _ = tracker.acked(at(3), receipts: 0)
    #expect(tracker.safe == .zero)
    tracker.attempted(self.receipts(0..<1, for: first), isTaken: true)
    #expect(tracker.safe == .zero)
    tracker.attempted(self.receipts(1..<2, for: first), isTaken: true)
    #expect(tracker.safe == at(3))
    #expect(tracker.underWay == 0)
  }

  @Test("No more receipts wait than the limit: the oldest are given up, and hold nothing")
  func bounded() {
    var tracker = ReceiptTracker()
    let limit = GatewayLimits.waitingReceipts
    let first = tracker.acked(at(1), receipts: 10)
    let second = tracker.acked(at(2), receipts: limit)
    tracker.attempted(self.receipts(0..<10, for: first), isTaken: false)
    #expect(tracker.safe == .zero)
    tracker.attempted(self.receipts(10..<limit + 10, for: second), isTaken: false)
    #expect(tracker.failed == self.receipts(10..<limit + 10, for: second))
    #expect(tracker.safe == at(1))
    #expect(tracker.underWay == 0)
  }

  @Test("No more acks are followed than the limit: the newest share a place")
  func sharedPlace() {
    var tracker = ReceiptTracker()
    let limit = GatewayLimits.trackedAcks
    var tickets: [ReceiptTracker.Ticket] = []
    for number in 1...limit + 5 {
      tickets.append(tracker.acked(at(UInt64(number)), receipts: 1))
    }
    #expect(Set(tickets).count == limit)
    for ticket in tickets.dropLast() {
      tracker.attempted(self.receipts(0..<1, for: ticket), isTaken: true)
    }
    #expect(tracker.safe == at(UInt64(limit - 1)))
    tracker.attempted(self.receipts(0..<1, for: tickets[limit]), isTaken: true)
    #expect(tracker.safe == at(UInt64(limit + 5)))
  }

  @Test("Whatever comes back in whatever order, the cursor stands before the first that is missing")
  func model() {
    var random = SplitMix64(seed: 8)
    for _ in 0..<200 {
      var tracker = ReceiptTracker()
      var open: [(ticket: ReceiptTracker.Ticket, offset: UInt64)] = []
      var acked: UInt64 = 0
      for _ in 0..<100 {
        if open.count < GatewayLimits.trackedAcks / 2, Bool.random(using: &random) {
          acked += 1
          let due = Int.random(in: 0...2, using: &random)
          let ticket = tracker.acked(at(acked), receipts: due)
          for _ in 0..<due { open.append((ticket, acked)) }
        } else if !open.isEmpty {
          let one = open.remove(at: Int.random(in: open.indices, using: &random))
          tracker.attempted(self.receipts(0..<1, for: one.ticket), isTaken: true)
        }
        #expect(tracker.underWay == open.count)
        let firstMissing = open.map(\.offset).min() ?? acked + 1
        #expect(tracker.safe <= at(firstMissing - 1))
        if open.isEmpty { #expect(tracker.safe == (acked == 0 ? .zero : at(acked))) }
      }
    }
  }
}
