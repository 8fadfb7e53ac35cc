import Logging
import NIOConcurrencyHelpers
import NIOCore

/// Says in the log that Redis went away and came back, once for all clients of a process.
///
/// A service has a client per event loop and per partition; each would otherwise report the same
/// outage, and again at each attempt.
final class ReachabilityReport: Sendable {
  /// An outage that lasts is reported again this often.
  static let repeatMilliseconds: Int64 = 10_000

  private struct State {
    var isDown = false
    var reported = NIODeadline.uptimeNanoseconds(0)
  }

  private let state = NIOLockedValueBox(State())
  private let logger: Logger

  init(url: RedisURL, logger: Logger) {
    var logger = logger
    logger[metadataKey: "redis"] = "\(url)"
    self.logger = logger
  }

  func failed(_ error: RedisError) {
    let isDue = self.state.withLockedValue { state in
      let now = NIODeadline.now()
      let due = !state.isDown || now - state.reported >= .milliseconds(Self.repeatMilliseconds)
      state.isDown = true
      if due { state.reported = now }
      return due
    }
    if isDue { self.logger.warning("redis.unreachable", metadata: ["error": "\(error)"]) }
  }

  func connected() {
    let wasDown = self.state.withLockedValue { state in
      defer { state.isDown = false }
      return state.isDown
    }
    if wasDown { self.logger.notice("redis.connected") }
  }
}
