import Logging
import NIOCore
import Redis

extension GroupConsumer {
  /// Why ``run(logger:started:handle:)`` ended.
  package enum End: Hashable, Sendable {
    /// The task was cancelled, or ``stop()`` was called.
    case stopped
    /// The fence names another reader, who continues where this one stopped.
    case replaced
  }

  /// Consumes: what was not finished before, in order, then what comes. When reading fails, it begins
  /// a new session, after a pause with jitter; when handling fails, the same entries are handled
  /// again.
  ///
  /// - Parameters:
  ///   - started: called at the beginning of each session.
  ///   - handle: handles entries in order. If it throws, it is given the same entries again; else
  ///     they are finished.
  @discardableResult
  package func run(
    logger: Logger,
    started: (_ session: GroupSession) async throws(RedisError) -> Void = { _ in },
    handle: ([StreamEntry]) async throws(RedisError) -> Void
  ) async -> End {
    var backoff = Self.backoff
    while !self.isEnding {
      do throws(RedisError) {
        // What is only waiting to be acknowledged need not come again.
        try await self.acknowledgeFinished()
        self.forgetFinished()
        guard let session = try await self.begin() else { return .replaced }
        try await started(session)
        while !self.isEnding {
          let entries = try await self.read()
          backoff.reset()
          guard !entries.isEmpty else { continue }
          await self.handle(entries, logger: logger, handle)
        }
      } catch {
        if self.isEnding { break }
        Self.log(error, "consumer.read_failed", to: logger)
        await self.pause(backoff.next())
      }
    }
    // Best effort: whoever comes next recognises what it has to repeat.
    try? await self.acknowledgeFinished()
    return .stopped
  }

  private func handle(
    _ entries: [StreamEntry], logger: Logger,
    _ handle: ([StreamEntry]) async throws(RedisError) -> Void
  ) async {
    var backoff = Self.backoff
    while true {
      do throws(RedisError) {
        try await handle(entries)
        self.finish(entries)
        if self.isCautious || self.acknowledgesAtOnce {
          self.acknowledgesAtOnce = false
          // If it fails it is tried again with the others.
          try? await self.acknowledgeFinished()
        }
        return
      } catch {
        if self.isEnding { return }
        Self.log(error, "consumer.handle_failed", to: logger)
        await self.pause(backoff.next())
        if self.isEnding { return }
      }
    }
  }

  private var isEnding: Bool { self.isStopping || Task.isCancelled }

  private static var backoff: Backoff {
    Backoff(
      baseMilliseconds: BusLimits.consumerBackoffBaseMilliseconds,
      capMilliseconds: BusLimits.consumerBackoffCapMilliseconds)
  }

  /// In short steps, so that ``stop()`` is noticed, and that Redis can be reached again if that was
  /// what failed: the connections themselves come back with jitter.
  private func pause(_ milliseconds: Int64) async {
    let end = NIODeadline.now() + .milliseconds(milliseconds)
    var wasAway = !self.isReachable
    while !self.isEnding, NIODeadline.now() < end {
      if wasAway, self.isReachable { return }
      wasAway = wasAway || !self.isReachable
      let left = (end - .now()).nanoseconds / 1_000_000
      let step = BusLimits.consumerPauseStepMilliseconds
      try? await Task.sleep(for: .milliseconds(min(max(1, left), step)))
    }
  }

  private var isReachable: Bool { self.client.isReady && self.reader.isReady }

  private static func log(_ error: RedisError, _ message: Logger.Message, to logger: Logger) {
    switch error {
    // An outage is reported once for the process, by the client.
    case .unavailable, .unanswered: logger.debug(message, metadata: ["error": "\(error)"])
    case .withheld: logger.notice(message, metadata: ["error": "\(error)"])
    case .server where error.isMissingGroup:
      logger.warning("consumer.group_missing", metadata: ["error": "\(error)"])
    case .server, .unexpectedReply: logger.error(message, metadata: ["error": "\(error)"])
    }
  }
}
