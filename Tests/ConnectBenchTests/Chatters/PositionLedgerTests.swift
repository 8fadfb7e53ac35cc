import ConnectProtocol
import Testing

@testable import ConnectBench

/// The count itself: a driver that overlooks something proves nothing.
@Suite("The ledger of positions")
struct PositionLedgerTests {
  /// User 0 and user 1 write to each other, and have two devices each.
  private var ledger = PositionLedger(
    directions: [.init(from: 0, to: 1), .init(from: 1, to: 0)], devices: [2, 2])

  private static func at(_ number: UInt64) -> Offset { Offset(milliseconds: number, sequence: 0) }

  /// Tells devices of user 0 of user 1.
  private mutating func tell(
    delivered: UInt64? = nil, read: UInt64? = nil, mine: UInt64? = nil, answer: Bool = false,
    stamp: UInt64 = 2, on devices: Int...
  ) -> Set<PositionLedger.Fault> {
    devices.reduce(into: []) { faults, device in
      faults.formUnion(
        self.ledger.told(
          ServerFrame.Position(
            peer: UserName("one")!, delivered: delivered.map(Self.at), read: read.map(Self.at),
            mine: mine.map(Self.at), stamp: stamp, id: answer ? .unique() : nil),
          of: 0, with: 1, on: device))
    }
  }

  @Test("a conversation is behind until every device of its sender was told what is delivered")
  mutating func delivered() {
    self.ledger.shown(in: 0, at: Self.at(4), hasReceipt: false)
    #expect(self.ledger.behind() == 0)
    self.ledger.shown(in: 0, at: Self.at(5), hasReceipt: true)
    #expect(self.ledger.behind() == 1)
    #expect(self.tell(delivered: 5, on: 0) == [])
    #expect(self.ledger.behind() == 1)
    #expect(self.ledger.descriptions.first?.contains("device 1 of the sender") == true)
    #expect(self.tell(delivered: 5, on: 1) == [])
    #expect(self.ledger.behind() == 0)
  }

  @Test("what a device that came last is shown first may be told, and need not be")
  mutating func newcomer() {
    #expect(self.tell(delivered: 4, on: 0) == [.ahead])
    self.ledger.shown(in: 0, at: Self.at(5), hasReceipt: true, isDue: false)
    #expect(self.ledger.behind() == 0)
    #expect(self.tell(delivered: 5, on: 0) == [])
    #expect(self.tell(delivered: 6, on: 0) == [.ahead])
  }

  @Test("what is read counts as delivered, and must be told as read")
  mutating func read() {
    self.ledger.shown(in: 0, at: Self.at(5), hasReceipt: true)
    self.ledger.read(in: 0, to: Self.at(6), isPrivate: false)
    #expect(self.tell(delivered: 6, on: 0, 1) == [])
    #expect(self.ledger.behind() == 1)
    #expect(self.tell(delivered: 5, read: 6, on: 0, 1) == [.back])
    #expect(self.ledger.descriptions.allSatisfy { $0.contains("of the recipient") })
  }

  @Test("what is read must be told to all devices of the reader, and a private read to no other")
  mutating func mine() {
    self.ledger.read(in: 1, to: Self.at(7), isPrivate: true)
    #expect(self.ledger.behind() == 1)
    #expect(self.tell(mine: 7, on: 0) == [])
    #expect(self.ledger.behind() == 1)
    #expect(self.tell(mine: 7, on: 1) == [])
    #expect(self.ledger.behind() == 0)
    self.ledger.read(in: 0, to: Self.at(7), isPrivate: true)
    #expect(self.tell(read: 7, mine: 7, on: 0) == [.ahead])
  }

  @Test("what goes back on a device is wrong, and so is what vanishes; two devices may differ")
  mutating func back() {
    for number in [5, 6] as [UInt64] {
      self.ledger.shown(in: 0, at: Self.at(number), hasReceipt: true)
    }
    #expect(self.tell(delivered: 6, on: 0) == [])
    #expect(self.tell(delivered: 5, on: 1) == [])
    #expect(self.tell(delivered: 5, on: 0) == [.back])
    #expect(self.tell(on: 1) == [.back])
    #expect(self.ledger.totals == .init(told: 4, back: 2, ahead: 0))
  }

  @Test("an answer to read may be ahead of what is told in turn, and its device has it")
  mutating func answer() {
    for number in [5, 6] as [UInt64] {
      self.ledger.shown(in: 0, at: Self.at(number), hasReceipt: true)
    }
    #expect(self.tell(delivered: 6, answer: true, on: 0, 1) == [])
    #expect(self.ledger.behind() == 0)
    #expect(self.tell(delivered: 5, on: 0) == [])
    #expect(self.tell(delivered: 6, on: 0) == [])
    #expect(self.tell(delivered: 5, answer: true, on: 0) == [])
    #expect(self.tell(delivered: 5, on: 0) == [.back])
    #expect(self.tell(delivered: 7, answer: true, on: 0) == [.ahead])
  }

  @Test("what has not happened is ahead: delivered before it was shown, read before it was said")
  mutating func ahead() {
    self.ledger.shown(in: 0, at: Self.at(5), hasReceipt: true)
    #expect(self.tell(delivered: 6, on: 0) == [.ahead])
    #expect(self.tell(delivered: 6, read: 5, on: 0) == [.ahead])
    #expect(self.tell(delivered: 5, mine: 1, on: 1) == [.ahead])
    #expect(self.ledger.totals.ahead == 3)
  }

  @Test("a loss is excused, but not what happens after it, in a conversation that has a row again")
  mutating func excused() {
    self.ledger.shown(in: 0, at: Self.at(5), hasReceipt: true)
    self.ledger.read(in: 0, to: Self.at(5), isPrivate: false)
    #expect(self.tell(delivered: 5, read: 5, on: 0) == [])
    self.ledger.excuseLosses(at: 1)
    #expect(self.tell(delivered: 5, read: 5, stamp: 1, on: 1) == [])
    #expect(self.tell(delivered: 4, on: 1) == [])
    // Without a row: nobody need be told.
    self.ledger.read(in: 0, to: Self.at(6), isPrivate: false)
    #expect(self.ledger.descriptions.allSatisfy { $0.contains("of the recipient") })
    self.ledger.shown(in: 0, at: Self.at(7), hasReceipt: true)
    #expect(self.tell(delivered: 7, on: 0, 1) == [])
    #expect(self.ledger.descriptions.allSatisfy { $0.contains("of the recipient") })
    self.ledger.read(in: 0, to: Self.at(8), isPrivate: false)
    self.ledger.read(in: 0, to: Self.at(9), isPrivate: false)
    #expect(self.ledger.descriptions.contains { $0.contains("read 0-0 of 9-0") })
    #expect(self.tell(delivered: 10, on: 0) == [.ahead])
  }
}
