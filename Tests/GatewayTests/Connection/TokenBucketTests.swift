import Testing

@testable import Gateway

@Suite("A token bucket")
struct TokenBucketTests {
  private static let second: UInt64 = 1_000_000_000

  @Test("gives a burst at once, then says how long to wait")
  func burst() {
    var bucket = TokenBucket(perSecond: 10, burst: 20, now: 5)
    for _ in 0..<20 { #expect(bucket.take(now: 5) == nil) }
    #expect(bucket.take(now: 5) == 100)
    #expect(bucket.take(now: 5) == 100, "asking in vain costs nothing")
  }

  @Test("gives again exactly when it said")
  func refill() {
    var bucket = TokenBucket(perSecond: 3, burst: 3, now: 0)
    for _ in 0..<3 { #expect(bucket.take(now: 0) == nil) }
    let wait = bucket.take(now: 0) ?? 0
    #expect(wait == 334)
    #expect(bucket.take(now: 333 * 1_000_000) == 1)
    #expect(bucket.take(now: UInt64(wait) * 1_000_000) == nil)
    #expect(bucket.take(now: UInt64(wait) * 1_000_000) != nil)
  }

  @Test("keeps no more than the burst, however long it rests")
  func cap() {
    var bucket = TokenBucket(perSecond: 2, burst: 4, now: 0)
    let later = 1_000 * Self.second
    for _ in 0..<4 { #expect(bucket.take(now: later) == nil) }
    #expect(bucket.take(now: later) != nil)
  }

  @Test("gives the rate and no more over a long time, in however small steps")
  func rate() {
    var bucket = TokenBucket(perSecond: 7, burst: 7, now: 0)
    var taken = 0
    for step in 0..<100_000 as Range<UInt64> where bucket.take(now: step * 1_000_000) == nil {
      taken += 1
    }
    #expect((706...708).contains(taken), "100 s at 7 a second, and the burst: \(taken)")
  }

  @Test("takes an earlier time behind a later one for the same moment")
  func threads() {
    var bucket = TokenBucket(perSecond: 10, burst: 10, now: 5 * Self.second)
    for _ in 0..<10 { #expect(bucket.take(now: 5 * Self.second) == nil) }
    #expect(bucket.take(now: 4 * Self.second) == 100)
    #expect(bucket.take(now: 5 * Self.second) == 100)
  }

  @Test("leaves as many as it is told to")
  func rest() {
    var bucket = TokenBucket(perSecond: 10, burst: 20, now: 0)
    for _ in 0..<10 { #expect(bucket.take(now: 0, leaving: 10) == nil) }
    #expect(bucket.take(now: 0, leaving: 10) == 100)
    for _ in 0..<10 { #expect(bucket.take(now: 0) == nil) }
    #expect(bucket.take(now: 0, leaving: 10) == 1_100)
  }

  @Test("has no limit when the rate is 0")
  func unlimited() {
    var bucket = TokenBucket(perSecond: 0, burst: 0, now: 0)
    for _ in 0..<1_000 { #expect(bucket.take(now: 0) == nil) }
  }
}
