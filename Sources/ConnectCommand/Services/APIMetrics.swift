import BackendAPI
import Metrics
import Synchronization

/// Counts answers of the API for backends, by route and status, of which there are few.
final class APIMetrics: Sendable {
  private struct Kind: Hashable {
    let route: String
    let status: Int
  }

  private let made = Mutex<[Kind: (Counter, Timer)]>([:])

  func count(_ answer: BackendAPIConfiguration.Answer) {
    let kind = Kind(route: answer.route, status: answer.status)
    let (counter, timer) = self.made.withLock { made in
      if let metrics = made[kind] { return metrics }
      let metrics = (
        Counter(
          label: "connect_api_requests_total",
          dimensions: [("route", kind.route), ("status", "\(kind.status)")]),
        Timer(label: "connect_api_seconds", dimensions: [("route", kind.route)])
      )
      made[kind] = metrics
      return metrics
    }
    counter.increment()
    timer.recordNanoseconds(answer.nanoseconds)
  }
}
