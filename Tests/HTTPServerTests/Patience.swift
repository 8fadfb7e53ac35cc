@testable import HTTPServer

extension HTTPServingLimits {
  /// The same, but waiting longer than the busiest machine takes: a test shortens what it is about.
  func patient() -> HTTPServingLimits {
    var limits = self
    limits.idleMilliseconds = 3_600_000
    limits.headMilliseconds = 3_600_000
    limits.bodyMilliseconds = 3_600_000
    limits.answerMilliseconds = 3_600_000
    limits.writeMilliseconds = 3_600_000
    return limits
  }
}
