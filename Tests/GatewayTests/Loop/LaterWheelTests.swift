import Testing

@testable import Gateway

@Suite("What is to be done a second later")
struct LaterWheelTests {
  @Test("is due after a second, each at its time, in the order in which it was added")
  func due() {
    var wheel = LaterWheel<Int>()
    var seen: [[Int]] = []
    for turn in 0..<45 {
      if turn < 22 {
        wheel.append(2 * turn)
        wheel.append(2 * turn + 1)
      }
      seen.append(wheel.turn())
    }
    for (turn, due) in seen.enumerated() {
      let added = turn - (LaterWheel<Int>.turns - 1)
      #expect(due == ((0..<22).contains(added) ? [2 * added, 2 * added + 1] : []))
    }
    #expect(wheel.isEmpty)
  }

  @Test("is there until its turn, and then no longer")
  func empty() {
    var wheel = LaterWheel<Int>()
    #expect(wheel.isEmpty)
    wheel.append(1)
    for _ in 1..<LaterWheel<Int>.turns {
      #expect(wheel.turn() == [])
      #expect(!wheel.isEmpty)
    }
    #expect(wheel.turn() == [1])
    #expect(wheel.isEmpty)
  }
}
