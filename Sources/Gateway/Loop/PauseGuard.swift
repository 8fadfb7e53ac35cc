/// Tells whether the process was stopped a while ago (SIGSTOP, a frozen machine) and reads now what
/// clients sent before.
///
/// They may have given up on it and sent the same elsewhere, marked as a repeat. What is published
/// late here is not marked, and would be stored again. The loop's clock shows a pause: it ticks every
/// second, if anything runs at all.
///
/// A pause through which the machine's monotonic clock stands still cannot be seen.
///
/// On its loop only, and pure: times are nanoseconds of the caller's clock.
final class PauseGuard {
  private static let limit = UInt64(GatewayLimits.pauseMilliseconds) * 1_000_000

  private var ticked: UInt64
  /// Ticks for which data read may still be from before a pause.
  private var lateTicks = 0

  init(now: UInt64) { self.ticked = now }

  func tick(now: UInt64) {
    if self.isPause(now) {
      // What has waited in the sockets is read only now, over some turns of the loop.
      self.lateTicks = GatewayLimits.afterPauseTicks
    } else if self.lateTicks > 0 {
      self.lateTicks -= 1
    }
    self.ticked = now
  }

  /// Whether data read now may have been sent long ago.
  func isLate(_ now: UInt64) -> Bool { self.lateTicks > 0 || self.isPause(now) }

  private func isPause(_ now: UInt64) -> Bool {
    now > self.ticked && now - self.ticked > Self.limit
  }
}
