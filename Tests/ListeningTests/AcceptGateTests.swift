import Testing

@testable import Listening

@Suite("Whether a port accepts connections")
struct AcceptGateTests {
  private let first = ListeningLimits.firstWaitMilliseconds
  private let longest = ListeningLimits.longestWaitMilliseconds

  @Test("while there is room, it does, and nothing is said")
  func open() {
    var gate = AcceptGate()
    for room in [AcceptGate.Room.plenty, .scarce, .plenty] {
      #expect(gate.accepted(room) == nil)
      #expect(!gate.isHeld)
    }
    #expect(gate.looked(.plenty) == .init(accepts: true))
  }

  @Test("without room it does not, and says so once until there is plenty again")
  func full() {
    var gate = AcceptGate()
    #expect(
      gate.accepted(.none(.sockets))
        == .init(accepts: false, wait: self.first, event: .paused(.sockets)))
    // What was accepted in the same turn of the loop.
    #expect(gate.accepted(.none(.sockets)) == nil)
    for _ in 0..<100 {
      // One closes, one more is accepted.
      #expect(gate.looked(.scarce) == .init(accepts: true, wait: self.longest))
      let decision = gate.accepted(.none(.sockets))
      #expect(decision?.accepts == false)
      #expect(decision?.event == nil)
      #expect(gate.isHeld)
    }
    #expect(gate.looked(.plenty) == .init(accepts: true, wait: self.longest))
    #expect(gate.looked(.scarce) == .init(accepts: true, wait: self.longest))
    #expect(gate.looked(.plenty) == .init(accepts: true, event: .resumed))
    #expect(gate.accepted(.none(.descriptors))?.event == .paused(.descriptors))
  }

  @Test("when the system refuses, it tries less and less often")
  func failing() {
    var gate = AcceptGate()
    #expect(
      gate.failed() == .init(accepts: false, wait: self.first, event: .paused(.system)))
    #expect(gate.failed() == nil)
    var waits: [Int64] = []
    for _ in 0..<10 {
      // There is room by our own count each time.
      #expect(gate.looked(.plenty).accepts)
      let decision = gate.failed()
      #expect(decision?.event == nil)
      waits.append(decision?.wait ?? 0)
    }
    #expect(waits.prefix(3) == [2 * self.first, 4 * self.first, 8 * self.first])
    #expect(waits.last == self.longest)
    #expect(gate.looked(.plenty).accepts)
    #expect(gate.looked(.plenty) == .init(accepts: true, event: .resumed))
  }

  @Test("without room for long, it looks less and less often")
  func waiting() {
    var gate = AcceptGate()
    _ = gate.accepted(.none(.descriptors))
    var waits: [Int64] = []
    for _ in 0..<6 {
      let decision = gate.looked(.none(.descriptors))
      #expect(!decision.accepts)
      waits.append(decision.wait ?? 0)
    }
    #expect(waits == [100, 200, 400, 800, 1_000, 1_000])
  }

  @Test(
    "the descriptors that sockets leave alone are a quarter, at least 64, and at most 1,024",
    arguments: [
      (64, 32), (128, 64), (256, 192), (1_024, 768), (4_096, 3_072), (20_000, 18_976),
      (131_072, 130_048), (Int.max, Int.max - 1_024),
    ])
  func reserve(descriptors: Int, sockets: Int) {
    #expect(SocketBudget.forSockets(of: descriptors) == sockets)
  }

  @Test("a process that runs out of descriptors all the same gives its sockets fewer, for good")
  func ranOut() {
    let budget = SocketBudget(limit: 768)
    for _ in 0..<700 { budget.take() }
    budget.ranOut(reserve: 256)
    #expect(budget.limit == 444)
    #expect(budget.isUsedUp)
    for _ in 0..<300 { budget.giveBack() }
    #expect(!budget.isUsedUp)
    #expect(!budget.isAtEase)
    budget.ranOut(reserve: 256)
    #expect(budget.limit == 144)
    for _ in 0..<400 { budget.giveBack() }
    for _ in 0..<3 { budget.ranOut(reserve: 256) }
    #expect(budget.limit == 64, "never so few that nobody is served")
    let small = SocketBudget(limit: 8)
    small.ranOut(reserve: 256)
    #expect(small.limit == 8)
  }
}
