import ConnectProtocol
import NIOCore
import Redis

/// What a consumer has finished and Redis does not know yet.
struct FinishedEntries {
  /// In the order in which they were finished.
  var offsets: [Offset] = []
  /// The last offset that Redis knows as finished and that nobody has pending; it and all before it
  /// can be removed.
  var removable: Offset?
  var timer: Scheduled<Void>?
}

extension GroupConsumer {
  /// Says that entries are done with, later and for many at once.
  ///
  /// Acknowledging each batch by itself would cost as much as storing it. What is not acknowledged
  /// when this process dies comes again, and is recognised.
  ///
  /// - Parameter entries: in order.
  public func finish(_ entries: [StreamEntry]) {
    self.finished.offsets += entries.lazy.map(\.offset)
    if self.finished.offsets.count >= BusLimits.acknowledgeEntries {
      self.client.eventLoop.assumeIsolated().execute { self.acknowledge { _ in } }
    } else {
      self.acknowledgeLater()
    }
  }

  /// The stream or its group is another one now: what is to be removed was said of the old one. If
  /// the clock was set back meanwhile, it would remove entries that nobody has seen.
  func forgetFinished() {
    self.finished.timer?.cancel()
    self.finished = FinishedEntries()
  }

  private func acknowledgeLater() {
    guard self.finished.timer == nil else { return }
    self.finished.timer = self.client.eventLoop.assumeIsolated().scheduleTask(
      in: .milliseconds(BusLimits.acknowledgeMilliseconds)
    ) {
      self.acknowledge { _ in }
    }
  }

  /// Acknowledges what was finished, now.
  public func acknowledgeFinished() async throws(RedisError) {
    let failure: RedisError? = await withCheckedContinuation { continuation in
      self.acknowledge { continuation.resume(returning: $0) }
    }
    if let failure { throw failure }
  }

  /// Acknowledges, and removes from the stream what is certainly done with.
  ///
  /// That is what was acknowledged *before* and is no longer pending for anyone: Redis says so in
  /// the same round trip. Entries that another instance has read, and may yet fail to process,
  /// stay. So the newest entries are removed with the call after.
  private func acknowledge(completion: @escaping (RedisError?) -> Void) {
    self.finished.timer?.cancel()
    self.finished.timer = nil
    let offsets = self.finished.offsets
    let removable = self.finished.removable
    guard !offsets.isEmpty || removable != nil else { return completion(nil) }
    self.finished.offsets = []
    self.finished.removable = nil

    var batch = RedisBatch()
    if !offsets.isEmpty { batch.acknowledge(offsets, of: self.stream, group: self.group) }
    if let removable { batch.trim(self.stream, through: removable) }
    batch.oldestPending(of: self.stream, group: self.group)
    self.client.submit(batch) { [count = batch.count] replies in
      do throws(RedisError) {
        try replies.check()
        guard let last = offsets.last else { return completion(nil) }
        var cursor = try replies.cursor(count - 1)
        let pending = try Offset(oldestPendingFrom: &cursor)
        // Pending entries begin at `pending`, so only what lies before it may go.
        self.finished.removable = pending.map { min($0.predecessor, last) } ?? last
        self.acknowledgeLater()
        completion(nil)
      } catch {
        // An acknowledgement does no harm twice. A group that is gone has nothing to acknowledge.
        if !error.isMissingGroup { self.finished.offsets.insert(contentsOf: offsets, at: 0) }
        completion(error)
      }
    }
  }
}
