import Logging
import NIOConcurrencyHelpers
import NIOCore

/// Says in the log that a server went away and came back, once for all clients of a process.
///
/// A service has a client per event loop and per partition; each would otherwise report the same
/// outage, and again at each attempt.
final class ReachabilityReport: Sendable {
  /// Interval at which a lasting outage is reported again.
  static let repeatMilliseconds: Int64 = 10_000

  /// Servers that are unreachable, with the time of the last report.
  private let away = NIOLockedValueBox<[RedisAddress: NIODeadline]>([:])
  private let logger: Logger

  init(logger: Logger) { self.logger = logger }

  func failed(_ error: RedisError, at address: RedisAddress) {
    let isDue = self.away.withLockedValue { away in
      let now = NIODeadline.now()
      if let reported = away[address], now - reported < .milliseconds(Self.repeatMilliseconds) {
        return false
      }
      away[address] = now
      return true
    }
    guard isDue else { return }
    self.logger.warning(
      "redis.unreachable", metadata: ["redis": "\(address)", "error": "\(error)"])
  }

  func connected(_ address: RedisAddress) {
    if self.away.withLockedValue({ $0.removeValue(forKey: address) }) != nil {
      self.logger.notice("redis.connected", metadata: ["redis": "\(address)"])
    }
  }

  /// Reports that the server closed an unused connection, and that another one is opened.
  func closedIdle(by address: RedisAddress) {
    self.logger.debug("redis.idle_closed", metadata: ["redis": "\(address)"])
  }

  /// Drops a server that is no longer one of ours.
  func forget(_ address: RedisAddress) {
    _ = self.away.withLockedValue { $0.removeValue(forKey: address) }
  }
}
