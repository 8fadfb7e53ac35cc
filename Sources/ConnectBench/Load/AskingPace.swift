import Gateway

/// Which request an asker makes when: lists and history in turn, as many as it may.
///
/// Pure: times are nanoseconds of the caller's clock.
struct AskingPace {
  enum Request: Hashable {
    case conversations, history
  }

  private var due: OpenLoop
  private var asked = 0
  private(set) var unanswered = 0

  /// The pace of a client that keeps to the limit in `welcome`: a burst, then steadily. The burst is one
  /// less than a gateway takes, since not every request is on the way for the same time.
  ///
  /// - Parameter start: when the burst is due.
  init(keepingTo requestsPerSecond: Int, from start: UInt64) {
    let interval = Duration.seconds(1) / requestsPerSecond
    let burst = requestsPerSecond * GatewayLimits.requestBurstSeconds - 1
    let fill = interval * (burst - 1)
    let fillNanoseconds = UInt64(fill / .nanoseconds(1))
    self.due = OpenLoop(
      every: interval, from: start > fillNanoseconds ? start - fillNanoseconds : 0, catchUp: fill)
  }

  /// The pace of a client that asks at a rate of its own, whatever the limit is.
  init(requestsPerSecond: Int, from start: UInt64) {
    self.due = OpenLoop(every: .seconds(1) / requestsPerSecond, from: start, catchUp: .seconds(1))
  }

  /// The request to make now, which counts as made; nil for none.
  mutating func next(now: UInt64) -> Request? {
    guard self.unanswered < GatewayLimits.unansweredRequests, self.due.next(now: now) != nil else {
      return nil
    }
    defer { self.asked += 1 }
    self.unanswered += 1
    return self.asked % 2 == 0 ? .conversations : .history
  }

  /// A request was answered, or refused.
  mutating func answered() { self.unanswered -= 1 }
}
