/// Waiting times between attempts: exponential, capped, with full jitter.
///
/// Full jitter draws uniformly from zero to the bound; of the variants measured in "Exponential
/// Backoff And Jitter" (AWS Architecture Blog, 2015) it spreads a herd of clients best.
struct Backoff: Hashable {
  /// Attempts that failed in a row.
  private(set) var failures = 0

  /// One more failure.
  ///
  /// - Returns: how long to wait after it, in milliseconds.
  mutating func next(using random: inout some RandomNumberGenerator) -> Int64 {
    let bound = min(
      ConnectClientLimits.backoffCapMilliseconds,
      ConnectClientLimits.backoffBaseMilliseconds << min(Int64(self.failures), 30))
    self.failures += 1
    return Int64.random(in: 0...bound, using: &random)
  }

  /// Starts over, after a success.
  mutating func reset() { self.failures = 0 }

  /// The next wait is as after at least this many failures.
  mutating func atLeast(_ failures: Int) { self.failures = max(self.failures, failures) }
}
