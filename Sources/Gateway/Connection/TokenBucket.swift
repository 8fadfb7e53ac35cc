/// Limits a rate: tokens come back steadily, up to a burst.
///
/// Pure: times are nanoseconds of the caller's clock.
struct TokenBucket {
  private let perSecond: Double
  private let burst: Double
  private var tokens: Double
  private var refilled: UInt64

  /// - Parameter perSecond: 0 means no limit.
  init(perSecond: Int, burstSeconds: Int, now: UInt64) {
    self.perSecond = Double(perSecond)
    self.burst = Double(perSecond * burstSeconds)
    self.tokens = self.burst
    self.refilled = now
  }

  /// Takes a token.
  ///
  /// - Returns: nil if there was one, else the milliseconds until there is.
  mutating func take(now: UInt64) -> Int? {
    guard self.perSecond > 0 else { return nil }
    let elapsed = Double(now &- self.refilled) / 1e9
    self.refilled = now
    self.tokens = min(self.burst, self.tokens + elapsed * self.perSecond)
    guard self.tokens < 1 else {
      self.tokens -= 1
      return nil
    }
    return max(1, Int(((1 - self.tokens) / self.perSecond * 1_000).rounded(.up)))
  }
}
