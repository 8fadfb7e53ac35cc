import Gateway
import Testing

@testable import ConnectBench

@Suite("The pace of an asker")
struct AskingPaceTests {
  private static let second: UInt64 = 1_000_000_000
  private static let start = 100 * second

  /// Asks for all that is due, with an answer to each at once.
  private static func ask(_ pace: inout AskingPace, now: UInt64) -> [AskingPace.Request] {
    var requests: [AskingPace.Request] = []
    while let request = pace.next(now: now) {
      pace.answered()
      requests.append(request)
    }
    return requests
  }

  @Test("asks for lists and history in turn: a burst, one less than a gateway takes, then the rate")
  func burst() {
    var pace = AskingPace(keepingTo: 2, from: Self.start)
    let burst = Self.ask(&pace, now: Self.start)
    #expect(burst.count == 2 * GatewayLimits.requestBurstSeconds - 1)
    #expect(burst.prefix(3) == [.conversations, .history, .conversations])
    #expect(Self.ask(&pace, now: Self.start + Self.second * 49 / 100) == [])
    #expect(Self.ask(&pace, now: Self.start + Self.second / 2) == [.history])
    #expect(Self.ask(&pace, now: Self.start + Self.second * 2).count == 3)
  }

  @Test("asks for no more than a burst after a pause of any length")
  func pause() {
    var pace = AskingPace(keepingTo: 2, from: Self.start)
    _ = Self.ask(&pace, now: Self.start)
    let count = Self.ask(&pace, now: Self.start + 1_000 * Self.second).count
    #expect(count == 2 * GatewayLimits.requestBurstSeconds - 1)
  }

  @Test("asks for no more than may be unanswered")
  func unanswered() {
    var pace = AskingPace(keepingTo: 100, from: Self.start)
    var count = 0
    while pace.next(now: Self.start) != nil { count += 1 }
    #expect(count == GatewayLimits.unansweredRequests)
    pace.answered()
    #expect(pace.next(now: Self.start) != nil)
    #expect(pace.next(now: Self.start) == nil)
  }

  @Test("asks at a rate of its own, without a burst")
  func ownRate() {
    var pace = AskingPace(requestsPerSecond: 20, from: Self.start)
    #expect(Self.ask(&pace, now: Self.start).count == 1)
    #expect(Self.ask(&pace, now: Self.start + Self.second / 2).count == 10)
  }
}
