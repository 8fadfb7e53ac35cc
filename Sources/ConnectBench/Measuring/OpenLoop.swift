/// When each send of a steady load is due.
///
/// Open loop: send n is due at a time that is known beforehand, and goes out then or as soon after
/// as this process can, whatever became of those before. Where latency counts from when a message
/// was due, a stall is seen by all messages that it delays.
///
/// Pure: times are nanoseconds of the caller's clock.
struct OpenLoop {
  private let interval: Double
  private let catchUp: UInt64?
  private var start: UInt64
  /// Number of sends due since the start.
  private(set) var count = 0

  /// - Parameters:
  ///   - interval: from one send to the next.
  ///   - start: when the first is due.
  ///   - catchUp: what has been due for longer is left out; nil: nothing is.
  init(every interval: Duration, from start: UInt64, catchUp: Duration? = nil) {
    self.interval = interval / .nanoseconds(1)
    self.start = start
    self.catchUp = catchUp.map { UInt64($0 / .nanoseconds(1)) }
  }

  /// Time of the next due send, which counts as sent from now on; nil if none is due yet.
  mutating func next(now: UInt64) -> UInt64? {
    var due = self.start + UInt64(Double(self.count) * self.interval)
    guard due <= now else { return nil }
    if let catchUp = self.catchUp, now - due > catchUp {
      self.start += now - due - catchUp
      due = now - catchUp
    }
    self.count += 1
    return due
  }

  /// Starts over with a first send at `start`.
  mutating func restart(at start: UInt64) {
    self.start = start
    self.count = 0
  }
}
