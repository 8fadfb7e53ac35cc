import ConnectProtocol
import Testing

@testable import ConnectBench

@Suite("The ledger of signals")
struct SignalLedgerTests {
  private var ledger = SignalLedger(directions: [.init(from: 0, to: 1), .init(from: 1, to: 0)])

  private mutating func tell(
    _ place: Ledger.Place?, from sender: Int? = 0, to user: Int = 1, on device: Int = 0,
    age: Duration? = .zero, isOlder: Bool = false, stall: Duration = .zero
  ) -> Set<SignalLedger.Fault> {
    self.ledger.told(
      place, from: sender, to: user, on: device, age: age, isOlder: isOlder, stall: stall)
  }

  private mutating func sent() -> Ledger.Place {
    Ledger.Place(conversation: 0, number: self.ledger.next(in: 0))
  }

  @Test("a signal may come once to each device, or to none, and again where it connects later")
  mutating func again() {
    _ = self.sent()
    let signal = self.sent()
    #expect(self.tell(signal, on: 0) == [])
    #expect(self.tell(signal, on: 1) == [])
    #expect(self.tell(signal, on: 0) == [.again])
    #expect(self.tell(signal, on: 1, isOlder: true) == [])
    #expect(self.ledger.totals == .init(sent: 2, told: 4, again: 1))
  }

  @Test("a signal is late beyond six seconds and the slack, unless this process was")
  mutating func late() {
    let most = Duration.seconds(6) + FaultLimits.signalSlack
    let signal = self.sent()
    #expect(self.tell(signal, on: 0, age: most) == [])
    #expect(self.tell(signal, on: 1, age: most + .milliseconds(1)) == [.late])
    #expect(self.tell(signal, on: 2, age: most + .seconds(1), stall: .seconds(1)) == [])
    #expect(self.tell(signal, on: 3, age: nil) == [])
    #expect(self.ledger.totals.late == 1)
  }

  @Test("a signal is astray with somebody else, from somebody else, or if nobody sent it")
  mutating func astray() {
    let signal = self.sent()
    #expect(self.tell(signal, to: 0) == [.astray])
    #expect(self.tell(signal, from: 1) == [.astray])
    #expect(self.tell(signal, from: nil) == [.astray])
    #expect(self.tell(nil) == [.astray])
    #expect(self.tell(.init(conversation: 0, number: 1)) == [.astray])
    #expect(self.tell(.init(conversation: 2, number: 0)) == [.astray])
    #expect(self.ledger.totals.astray == 6)
  }

  @Test("stalls count for a while, and then no more")
  func stalls() {
    let start = ContinuousClock.now
    var stalls = RecentStalls(since: start)
    stalls.note(.seconds(2), at: start)
    stalls.note(FaultLimits.leastStall, at: start)
    stalls.note(.seconds(1), at: start + FaultLimits.stallMemory)
    #expect(stalls.recent == .seconds(3))
    stalls.note(.seconds(5), at: start + FaultLimits.stallMemory * 2)
    #expect(stalls.recent == .seconds(8))
    stalls.note(.zero, at: start + FaultLimits.stallMemory * 4)
    #expect(stalls.recent == .seconds(5))
    stalls.note(.zero, at: start + FaultLimits.stallMemory * 6)
    #expect(stalls.recent == .zero)
  }
}
