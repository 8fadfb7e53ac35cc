/// Limits a rate: tokens come back steadily, up to a burst.
///
/// Pure: times are nanoseconds of the caller's clock.
struct TokenBucket {
  private let perSecond: Double
  private let burst: Double
  private var tokens: Double
  private var refilled: UInt64

  /// - Parameter perSecond: 0 means no limit.
  init(perSecond: Double, burst: Int, now: UInt64) {
    self.perSecond = perSecond
    self.burst = Double(burst)
    self.tokens = self.burst
    self.refilled = now
  }

  /// Takes a token.
  ///
  /// - Parameter rest: how many must be left.
  /// - Returns: nil if there was one, else the milliseconds until there is.
  mutating func take(now: UInt64, leaving rest: Int = 0) -> Int? {
    guard self.perSecond > 0 else { return nil }
    if let wait = self.wait(now: now, leaving: rest) { return wait }
    self.tokens -= 1
    return nil
  }

  /// Returns a token that was taken needlessly.
  mutating func giveBack() { self.tokens = min(self.burst, self.tokens + 1) }

  /// - Returns: Milliseconds until there is a token; nil if there is one now.
  mutating func wait(now: UInt64, leaving rest: Int = 0) -> Int? {
    guard self.perSecond > 0 else { return nil }
    self.refill(now: now)
    let missing = Double(1 + rest) - self.tokens
    guard missing > 0 else { return nil }
    return max(1, Int((missing / self.perSecond * 1_000).rounded(.up)))
  }

  /// Whether no token is missing.
  mutating func isFull(now: UInt64) -> Bool {
    self.refill(now: now)
    return self.perSecond == 0 || self.tokens >= self.burst
  }

  private mutating func refill(now: UInt64) {
    // Threads that share a bucket read the clock before they come to it, so an earlier time may
    // follow a later one.
    guard now > self.refilled else { return }
    let elapsed = Double(now - self.refilled) / 1e9
    self.refilled = now
    self.tokens = min(self.burst, self.tokens + elapsed * self.perSecond)
  }
}
