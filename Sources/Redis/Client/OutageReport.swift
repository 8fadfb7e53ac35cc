import Logging
import NIOConcurrencyHelpers
import NIOCore

/// Says in the log what is wrong with a server, once for all clients of a process.
///
/// A service has a client per event loop and per partition; each would otherwise report the same
/// outage, and again at each attempt.
final class OutageReport: Sendable {
  /// Interval at which a lasting outage is reported again.
  static let repeatMilliseconds: Int64 = 10_000

  private struct State {
    /// Servers that are unreachable, with the time of the last report.
    var unreachable: [RedisAddress: NIODeadline] = [:]
    /// When a server's replicas were last reported not to confirm.
    var unconfirmed: [RedisAddress: NIODeadline] = [:]
  }

  private let state = NIOLockedValueBox(State())
  private let logger: Logger

  init(logger: Logger) { self.logger = logger }

  func failed(_ error: RedisError, at address: RedisAddress) {
    self.warn("redis.unreachable", error, address, \.unreachable)
  }

  func connected(_ address: RedisAddress) {
    if self.state.withLockedValue({ $0.unreachable.removeValue(forKey: address) }) != nil {
      self.logger.notice("redis.connected", metadata: ["redis": "\(address)"])
    }
  }

  /// Reports that a write is executed, and not confirmed as demanded.
  func unconfirmed(_ error: RedisError, at address: RedisAddress) {
    self.warn("redis.unconfirmed", error, address, \.unconfirmed)
  }

  /// Reports that the server closed an unused connection, and that another one is opened.
  func closedIdle(by address: RedisAddress) {
    self.logger.debug("redis.idle_closed", metadata: ["redis": "\(address)"])
  }

  /// Drops a server that is no longer one of ours.
  func forget(_ address: RedisAddress) {
    self.state.withLockedValue {
      $0.unreachable[address] = nil
      $0.unconfirmed[address] = nil
    }
  }

  private func warn(
    _ message: Logger.Message, _ error: RedisError, _ address: RedisAddress,
    _ reports: WritableKeyPath<State, [RedisAddress: NIODeadline]>
  ) {
    let isDue = self.state.withLockedValue { state in
      let now = NIODeadline.now()
      if let reported = state[keyPath: reports][address],
        now - reported < .milliseconds(Self.repeatMilliseconds)
      {
        return false
      }
      state[keyPath: reports][address] = now
      return true
    }
    guard isDue else { return }
    self.logger.warning(message, metadata: ["redis": "\(address)", "error": "\(error)"])
  }
}
