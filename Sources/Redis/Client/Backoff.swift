/// Waiting times between attempts: exponential, capped, with full jitter.
///
/// Full jitter draws uniformly from zero to the bound; of the variants measured in "Exponential
/// Backoff And Jitter" (AWS Architecture Blog, 2015) it spreads a herd of clients best.
package struct Backoff: Sendable {
  private let baseMilliseconds: Int64
  private let capMilliseconds: Int64
  private var attempt = 0

  /// - Parameters:
  ///   - baseMilliseconds: the bound of the first wait.
  ///   - capMilliseconds: the bound of every later one, at most.
  package init(baseMilliseconds: Int64, capMilliseconds: Int64) {
    precondition(baseMilliseconds > 0 && capMilliseconds >= baseMilliseconds)
    self.baseMilliseconds = baseMilliseconds
    self.capMilliseconds = capMilliseconds
  }

  /// Bound of the previous wait, or of the first one if there was none.
  package var boundMilliseconds: Int64 { self.bound(of: max(self.attempt - 1, 0)) }

  private func bound(of attempt: Int) -> Int64 {
    // In this order, since the base doubled that often need not fit into 64 bits.
    let shift = min(attempt, 62)
    let isCapped = self.baseMilliseconds > self.capMilliseconds >> shift
    return isCapped ? self.capMilliseconds : self.baseMilliseconds << shift
  }

  /// The next wait, in milliseconds.
  package mutating func next(using random: inout some RandomNumberGenerator) -> Int64 {
    let bound = self.bound(of: self.attempt)
    self.attempt += 1
    return Int64.random(in: 0...bound, using: &random)
  }

  /// The same, with the system's source of randomness.
  package mutating func next() -> Int64 {
    var random = SystemRandomNumberGenerator()
    return self.next(using: &random)
  }

  /// Starts over after a success.
  package mutating func reset() { self.attempt = 0 }
}
