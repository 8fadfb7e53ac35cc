/// Keeps sends, requests or signals at the pace that the server allows: evenly, with a burst after a pause.
///
/// The generic cell rate algorithm (ITU-T I.371): it needs one time, and no timer that refills. Pure:
/// times are nanoseconds of the caller's clock.
struct SendPacer {
  private let interval: UInt64
  private let burst: UInt64
  /// When the next one were due at an even pace.
  private var due: UInt64 = 0

  /// - Parameters:
  ///   - perSecond: 0 means no limit.
  ///   - burstMilliseconds: the time of which all may go at once.
  init(perSecond: Int, burstMilliseconds: UInt64 = ConnectClientLimits.sendBurstMilliseconds) {
    self.interval = perSecond > 0 ? 1_000_000_000 / UInt64(perSecond) : 0
    let burst = burstMilliseconds * 1_000_000
    self.burst = burst > self.interval ? burst - self.interval : 0
  }

  /// Takes leave for one.
  ///
  /// - Returns: nil if it may go now, else when to ask again.
  mutating func take(now: UInt64) -> UInt64? {
    guard self.interval > 0 else { return nil }
    let earliest = self.due > self.burst ? self.due - self.burst : 0
    guard earliest <= now else {
      return max(earliest, now + ConnectClientLimits.sendTickMilliseconds * 1_000_000)
    }
    self.due = max(self.due, now) + self.interval
    return nil
  }
}
