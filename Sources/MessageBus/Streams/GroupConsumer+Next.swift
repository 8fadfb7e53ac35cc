import Logging
import Redis

/// The loop of a worker: it asks for the next entries, handles them, and says what became of them.
extension GroupConsumer {
  package enum Event: Sendable {
    /// A session has begun. ``failed(_:)`` may follow; then another one begins.
    case began(GroupSession)
    /// Entries to handle, in order. ``finish(_:)`` or ``failed(_:)`` must follow.
    case entries([StreamEntry])
    /// Nothing follows.
    case ended(End)
  }

  package enum End: Hashable, Sendable {
    /// The task was cancelled, or ``stop()`` was called.
    case stopped
    /// The fence names another reader, who continues where this one stopped.
    case replaced
  }

  package enum Acknowledgement: Sendable {
    /// Soon, and for many at once.
    case later
    /// At once, because a repeat would be seen.
    case now
  }

  enum State {
    /// A session must begin. May become `.reading`.
    case withoutSession
    /// All entries that were read are finished. May become `.handling` or `.withoutSession`.
    case reading
    /// These entries were given and are not finished. May become `.reading`.
    case handling([StreamEntry])
  }

  /// Waits for what is next: what was not finished before, in order, then what comes. After a failure it
  /// pauses, with jitter. When reading has failed, it begins a new session; when handling has failed, it
  /// gives the same entries again.
  ///
  /// - Parameter maximum: how many entries a read may return.
  package func next(maximum: Int = BusLimits.entriesPerRead) async -> Event {
    while !self.isEnding || self.hasEntries {
      if let milliseconds = self.pauseMilliseconds.take() {
        await self.pause(milliseconds)
        continue
      }
      do throws(RedisError) {
        switch self.state {
        case .withoutSession:
          // What is only waiting to be acknowledged need not come again.
          try await self.acknowledgeFinished()
          guard let session = try await self.begin() else { return .ended(.replaced) }
          self.state = .reading
          return .began(session)
        case .reading where self.isOutdated:
          throw .withheld("the groups of \(self.stream) are not as they were left")
        case .reading:
          let entries = try await self.read(maximum: maximum)
          self.backoff.reset()
          guard !entries.isEmpty else { continue }
          self.state = .handling(entries)
          return .entries(entries)
        case .handling(let entries):
          return .entries(entries)
        }
      } catch {
        self.failed(error)
      }
    }
    // Best effort: whoever comes next recognises what it has to repeat.
    try? await self.acknowledgeFinished()
    return .ended(.stopped)
  }

  /// Ends the entries that ``next(maximum:)`` has given.
  package func finish(_ acknowledgement: Acknowledgement) async {
    guard case .handling(let entries) = self.state else {
      preconditionFailure("there are no entries to finish")
    }
    self.state = .reading
    self.backoff.reset()
    self.addFinished(entries)
    // If it fails it is tried again with the others.
    if acknowledgement == .now { try? await self.acknowledgeFinished() }
  }

  /// Says that what ``next(maximum:)`` has given could not be handled. After a pause it gives the same
  /// entries again, or begins another session.
  package func failed(_ error: RedisError) {
    guard !self.isEnding else { return }
    switch self.state {
    case .handling:
      self.log(error, "consumer.handle_failed")
    case .withoutSession, .reading:
      self.log(error, "consumer.read_failed")
      self.state = .withoutSession
    }
    self.pauseMilliseconds = self.backoff.next()
  }

  private var isEnding: Bool { self.isStopping || Task.isCancelled }

  /// Whether entries are here already, which whoever comes next would take for those of a process that died.
  private var hasEntries: Bool {
    guard case .reading = self.state else { return false }
    return self.reads.hasEntries
  }

  private func log(_ error: RedisError, _ message: Logger.Message) {
    let metadata: Logger.Metadata = ["error": "\(error)"]
    switch error {
    // An outage, of replicas too, is reported once for the process, by the client.
    case .unavailable, .unanswered, .unconfirmed: self.logger.debug(message, metadata: metadata)
    case .withheld: self.logger.notice(message, metadata: metadata)
    case .server where error.isMissingGroup:
      self.logger.warning("consumer.group_missing", metadata: metadata)
    case .server, .unexpectedReply: self.logger.error(message, metadata: metadata)
    }
  }
}
