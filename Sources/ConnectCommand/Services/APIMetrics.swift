import BackendAPI
import Metrics

/// Counts what the API for backends answers. Routes and statuses are closed sets.
enum APIMetrics {
  static func count(_ answer: BackendAPIConfiguration.Answer) {
    Counter(
      label: "connect_api_requests_total",
      dimensions: [("route", answer.route), ("status", "\(answer.status)")]
    ).increment()
    Timer(label: "connect_api_seconds", dimensions: [("route", answer.route)])
      .recordNanoseconds(answer.nanoseconds)
  }
}
