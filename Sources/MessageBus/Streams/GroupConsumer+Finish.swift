import ConnectProtocol
import NIOCore
import Redis

/// Entries that a consumer finished and did not acknowledge yet.
struct FinishedEntries {
  /// In the order of finishing.
  var offsets: [Offset] = []
  var timer: Scheduled<Void>?
}

extension GroupConsumer {
  /// Adds entries that are done with, to be acknowledged later and many at once.
  ///
  /// Acknowledging each batch by itself would cost as much as storing it. What is not acknowledged
  /// when this process dies comes again, and is recognised.
  ///
  /// - Parameter entries: in order, and nothing before them is unfinished.
  func addFinished(_ entries: [StreamEntry]) {
    self.finished.offsets += entries.lazy.map(\.offset)
    if self.finished.offsets.count >= BusLimits.acknowledgeEntries {
      self.client.eventLoop.assumeIsolated().execute { self.acknowledge { _ in } }
    } else {
      self.acknowledgeLater()
    }
  }

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

  func acknowledgeFinished() async throws(RedisError) {
    let failure: RedisError? = await withCheckedContinuation { continuation in
      self.acknowledge { continuation.resume(returning: $0) }
    }
    if let failure { throw failure }
  }

  /// Acknowledges, and then removes from the stream what every group on it is done with.
  ///
  /// How far the groups are comes back with the acknowledgement. Nothing is removed unless our own
  /// group is among them: without it the stream is another one, made again after a loss, and if the
  /// clock was set back meanwhile, nobody has seen what lies below.
  private func acknowledge(completion: @escaping (RedisError?) -> Void) {
    self.finished.timer?.cancel()
    self.finished.timer = nil
    let offsets = self.finished.offsets
    guard let last = offsets.last else { return completion(nil) }
    self.finished.offsets = []

    let session = self.group
    var batch = RedisBatch()
    batch.acknowledge(offsets, of: self.stream, group: session)
    let groups = batch.groups(of: self.stream)
    self.client.submit(batch) { replies in
      do throws(RedisError) {
        let groups = try replies[groups] ?? []
        guard groups.contains(where: { $0.name == session }) else { return completion(nil) }
        self.remove(through: last, others: groups.filter { $0.name != session }, completion)
      } catch {
        // An acknowledgement does no harm twice.
        if session == self.group { self.finished.offsets.insert(contentsOf: offsets, at: 0) }
        completion(error)
      }
    }
  }

  /// Removes the entries that every other group is done with, too.
  private func remove(
    through last: Offset, others: [StreamGroup], _ completion: @escaping (RedisError?) -> Void
  ) {
    let limit = others.map(\.lastDelivered).min().map { min($0, last) } ?? last
    let busy = others.filter { $0.pending > 0 }
    guard !busy.isEmpty else { return self.trim(through: limit, completion) }
    var batch = RedisBatch()
    let oldest = busy.map { batch.oldestPending(of: self.stream, group: $0.name) }
    self.client.submit(batch) { replies in
      var limit = limit
      for oldest in oldest {
        do throws(RedisError) {
          if let oldest = try replies[oldest] { limit = min(limit, oldest.predecessor) }
        } catch {
          // Without an answer nothing is removed; the next call asks again.
          return completion(nil)
        }
      }
      self.trim(through: limit, completion)
    }
  }

  /// Entries that a failure leaves are removed with the next acknowledgement.
  private func trim(through offset: Offset, _ completion: @escaping (RedisError?) -> Void) {
    guard offset > .zero else { return completion(nil) }
    var batch = RedisBatch()
    batch.trim(self.stream, through: offset)
    self.client.submit(batch) { _ in completion(nil) }
  }
}
