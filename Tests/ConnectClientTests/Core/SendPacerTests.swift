import Testing

@testable import ConnectClient

@Suite struct SendPacerTests {
  private let second: UInt64 = 1_000_000_000

  @Test func zeroMeansNoLimit() {
    var pacer = SendPacer(perSecond: 0)
    for _ in 0..<10_000 { #expect(pacer.take(now: 0) == nil) }
  }

  @Test func afterAPauseABurstGoesAtOnce() {
    var pacer = SendPacer(perSecond: 100)
    let start = 5 * second
    var count = 0
    while pacer.take(now: start) == nil { count += 1 }
    #expect(count == 50)
  }

  @Test(arguments: [1, 3, 100, 1_000, 50_000])
  func thePaceIsKept(perSecond: Int) {
    var pacer = SendPacer(perSecond: perSecond)
    var now = second
    var count = 0
    while now < 11 * second {
      if let until = pacer.take(now: now) {
        #expect(until > now)
        now = until
      } else {
        count += 1
      }
    }
    let burst = perSecond / 2 + 1
    #expect(count <= 10 * perSecond + burst)
    #expect(count >= 10 * perSecond)
  }

  @Test func aHighPaceSendsSeveralAtATick() {
    var pacer = SendPacer(perSecond: 10_000)
    while pacer.take(now: second) == nil {}
    let until = pacer.take(now: second)!
    #expect(until == second + ConnectClientLimits.sendTickMilliseconds * 1_000_000)
    var count = 0
    while pacer.take(now: until) == nil { count += 1 }
    #expect(count == 50)
  }
}
