import SeededRandom
import Testing

@testable import Redis

/// Always draws the largest number.
private struct Highest: RandomNumberGenerator {
  mutating func next() -> UInt64 { .max }
}

/// Always draws the smallest number; not 0, which the standard library draws again for ever.
private struct Lowest: RandomNumberGenerator {
  mutating func next() -> UInt64 { 1 }
}

@Suite("A back-off")
struct BackoffTests {
  @Test("doubles its bound up to the cap, and stays there")
  func bounds() {
    var backoff = Backoff(baseMilliseconds: 50, capMilliseconds: 2_000)
    var highest = Highest()
    let waits = (0..<100).map { _ in backoff.next(using: &highest) }
    #expect(waits.prefix(7) == [50, 100, 200, 400, 800, 1_600, 2_000])
    #expect(waits.dropFirst(6).allSatisfy { $0 == 2_000 })
  }

  @Test("tells the bound of the wait before")
  func lastBound() {
    var backoff = Backoff(baseMilliseconds: 50, capMilliseconds: 300)
    var lowest = Lowest()
    #expect(backoff.boundMilliseconds == 50)
    let bounds = (0..<5).map { _ in
      _ = backoff.next(using: &lowest)
      return backoff.boundMilliseconds
    }
    #expect(bounds == [50, 100, 200, 300, 300])
    backoff.reset()
    #expect(backoff.boundMilliseconds == 50)
  }

  @Test("may draw no wait at all")
  func lowest() {
    var backoff = Backoff(baseMilliseconds: 50, capMilliseconds: 2_000)
    var lowest = Lowest()
    for _ in 0..<20 { #expect(backoff.next(using: &lowest) == 0) }
  }

  @Test("draws evenly from the whole range: full jitter")
  func jitter() {
    var generator = SplitMix64(seed: 1)
    var backoff = Backoff(baseMilliseconds: 1_000, capMilliseconds: 1_000)
    var counts = [Int](repeating: 0, count: 10)
    for _ in 0..<100_100 {
      let wait = backoff.next(using: &generator)
      if (0...1_000).contains(wait) { counts[min(Int(wait) / 100, 9)] += 1 }
    }
    #expect(counts.reduce(0, +) == 100_100)
    // 10,000 are expected in each tenth, with a standard deviation of 95.
    for count in counts { #expect((9_500...10_600).contains(count)) }
  }

  @Test("starts over after a success")
  func reset() {
    var backoff = Backoff(baseMilliseconds: 50, capMilliseconds: 2_000)
    var highest = Highest()
    for _ in 0..<5 { _ = backoff.next(using: &highest) }
    backoff.reset()
    #expect(backoff.next(using: &highest) == 50)
    #expect(backoff.next(using: &highest) == 100)
  }

  private static let extremes: [(base: Int64, cap: Int64)] = [
    (1, 1), (1, .max), (3, 10), (.max, .max), (.max / 2, .max), (1 << 40, .max),
    (1 << 62, .max - 1),
  ]

  @Test("keeps its bounds for every base and cap, the largest included", arguments: extremes)
  func boundsOfExtremes(base: Int64, cap: Int64) {
    var backoff = Backoff(baseMilliseconds: base, capMilliseconds: cap)
    var highest = Highest()
    var last: Int64 = 0
    for attempt in 0..<200 {
      let wait = backoff.next(using: &highest)
      #expect(wait >= last && wait <= cap)
      if attempt == 0 { #expect(wait == base) }
      last = wait
    }
  }

  @Test("draws from the system's randomness, within the same bounds")
  func system() {
    var backoff = Backoff(baseMilliseconds: 8, capMilliseconds: 8)
    #expect((0..<1_000).allSatisfy { _ in (0...8).contains(backoff.next()) })
  }
}
