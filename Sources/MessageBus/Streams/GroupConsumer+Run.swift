import Logging
import NIOCore
import Redis

extension GroupConsumer {
  /// Consumes until the task is cancelled: first what is pending from before, in order, then what
  /// comes. Whatever fails, it starts over from there, after a pause with jitter.
  ///
  /// To stop it, cancel its task, then close its reader. What is being handled is finished.
  ///
  /// - Parameters:
  ///   - started: called when the stream and its group are known to exist, and whether they had to
  ///     be made.
  ///   - handle: handles entries in order. If it throws, the same entries come again; else they are
  ///     finished.
  public func run(
    logger: Logger,
    started: (_ wasCreated: Bool) async throws(RedisError) -> Void = { _ in },
    handle: ([StreamEntry]) async throws(RedisError) -> Void
  ) async {
    var backoff = Backoff(
      baseMilliseconds: BusLimits.consumerBackoffBaseMilliseconds,
      capMilliseconds: BusLimits.consumerBackoffCapMilliseconds)
    while !Task.isCancelled {
      do throws(RedisError) {
        let wasCreated = try await self.createGroup()
        if wasCreated {
          self.forgetFinished()
        } else {
          // What is only waiting to be acknowledged need not come again.
          try await self.acknowledgeFinished()
        }
        try await started(wasCreated)
        try await self.handlePending(handle)
        backoff.reset()
        try await self.handleNew(handle)
      } catch {
        if Task.isCancelled { break }
        self.log(error, to: logger)
        try? await Task.sleep(for: .milliseconds(backoff.next()))
      }
    }
    // Best effort: whoever comes next recognises what it has to repeat.
    try? await self.acknowledgeFinished()
  }

  /// Handles what comes, and looks from time to time for entries that went astray: a read that Redis
  /// still serves to a connection of ours that is dead takes entries which nobody sees.
  ///
  /// Then what was just read is not handled by itself: it is pending, too, and comes in its order.
  private func handleNew(
    _ handle: ([StreamEntry]) async throws(RedisError) -> Void
  ) async throws(RedisError) {
    var nextClaim = NIODeadline.now() + .milliseconds(BusLimits.claimMilliseconds)
    while !Task.isCancelled {
      let entries = try await self.read()
      if NIODeadline.now() >= nextClaim {
        try await self.acknowledgeFinished()
        try await self.handlePending(handle)
        nextClaim = .now() + .milliseconds(BusLimits.claimMilliseconds)
      } else if !entries.isEmpty {
        try await handle(entries)
        self.finish(entries)
      }
    }
  }

  private func handlePending(
    _ handle: ([StreamEntry]) async throws(RedisError) -> Void
  ) async throws(RedisError) {
    var next: String? = Self.claimStart
    while let start = next, !Task.isCancelled {
      let claimed = try await self.claim(from: start)
      if !claimed.entries.isEmpty {
        try await handle(claimed.entries)
        self.finish(claimed.entries)
      }
      next = claimed.next
    }
  }

  private func log(_ error: RedisError, to logger: Logger) {
    switch error {
    // An outage is reported once for the process, by the client.
    case .unavailable, .unanswered: logger.debug("consumer.retry", metadata: ["error": "\(error)"])
    case .server where error.isMissingGroup:
      logger.warning("consumer.stream_missing", metadata: ["error": "\(error)"])
    case .server, .unexpectedReply:
      logger.error("consumer.retry", metadata: ["error": "\(error)"])
    }
  }
}
