import Logging
import NIOConcurrencyHelpers
import NIOCore

/// Says in the log that a server went away and came back, once for all clients of a process.
///
/// A service has a client per event loop and per partition; each would otherwise report the same
/// outage, and again at each attempt.
final class ReachabilityReport: Sendable {
  /// An outage that lasts is reported again this often.
  static let repeatMilliseconds: Int64 = 10_000

  /// The servers that are away, and when that was reported last.
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

  /// The server has closed a connection that nobody used; another one is opened.
  func closedIdle(by address: RedisAddress) {
    self.logger.debug("redis.idle_closed", metadata: ["redis": "\(address)"])
  }

  /// The server is none of ours any more.
  func forget(_ address: RedisAddress) {
    _ = self.away.withLockedValue { $0.removeValue(forKey: address) }
  }
}
