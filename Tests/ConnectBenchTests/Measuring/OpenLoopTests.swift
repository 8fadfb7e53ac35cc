import Testing

@testable import ConnectBench

@Suite("An open loop")
struct OpenLoopTests {
  private static let start: UInt64 = 5_000

  private static func due(_ loop: inout OpenLoop, now: UInt64) -> [UInt64] {
    var times: [UInt64] = []
    while let due = loop.next(now: now) { times.append(due) }
    return times
  }

  @Test("gives each send the time that it had from the beginning, however late it is asked")
  func open() {
    var loop = OpenLoop(every: .nanoseconds(1_000), from: Self.start)
    #expect(Self.due(&loop, now: 4_999) == [])
    #expect(Self.due(&loop, now: 5_000) == [5_000])
    #expect(Self.due(&loop, now: 5_999) == [])
    #expect(Self.due(&loop, now: 9_000) == [6_000, 7_000, 8_000, 9_000])
    #expect(loop.count == 5)
  }

  @Test("keeps a rate that is not a whole number of nanoseconds")
  func rate() {
    var loop = OpenLoop(every: .seconds(1) / 60_000, from: 0)
    #expect(Self.due(&loop, now: 999_999_990).count == 60_000)
    #expect(Self.due(&loop, now: 9_999_999_990).count == 540_000)
  }

  @Test("leaves out what has been due for longer than it catches up, and then keeps its rate")
  func catchUp() {
    var loop = OpenLoop(
      every: .nanoseconds(1_000), from: Self.start, catchUp: .nanoseconds(2_000))
    #expect(Self.due(&loop, now: 20_500) == [18_500, 19_500, 20_500])
    #expect(Self.due(&loop, now: 22_500) == [21_500, 22_500])
  }

  @Test("begins again when it is told to")
  func restart() {
    var loop = OpenLoop(every: .nanoseconds(1_000), from: Self.start)
    _ = Self.due(&loop, now: 8_000)
    loop.restart(at: 10_000)
    #expect(Self.due(&loop, now: 9_999) == [])
    #expect(Self.due(&loop, now: 11_000) == [10_000, 11_000])
  }
}
