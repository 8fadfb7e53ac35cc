/// For how long this process could not do what was due lately: a measure of how busy the machine is. Pure.
struct RecentStalls {
  /// All stalls since the last change of ``since``, and in the period before.
  private var sums = (now: Duration.zero, before: Duration.zero)
  private var since: ContinuousClock.Instant

  init(since: ContinuousClock.Instant = .now) { self.since = since }

  /// Of the last ``FaultLimits/stallMemory``, or up to twice that, all together.
  var recent: Duration { self.sums.now + self.sums.before }

  mutating func note(_ stall: Duration, at now: ContinuousClock.Instant) {
    if self.since.duration(to: now) > FaultLimits.stallMemory {
      self.sums = (.zero, self.sums.now)
      self.since = now
    }
    if stall > FaultLimits.leastStall { self.sums.now += stall }
  }
}
