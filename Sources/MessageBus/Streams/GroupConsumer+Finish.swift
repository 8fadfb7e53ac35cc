import ConnectProtocol
import NIOCore
import Redis

/// How far a session has finished the entries of its stream.
struct FinishedEntries {
  /// The last entry that is finished; nil if Redis knows of it.
  private(set) var last: Offset?
  /// How many entries Redis does not know of.
  private(set) var count = 0
  var timer: Scheduled<Void>?

  mutating func add(_ count: Int, through last: Offset) {
    self.last = last
    self.count += count
  }

  /// What Redis is to be told now; nil if it knows all.
  mutating func take() -> (last: Offset, count: Int)? {
    guard let last = self.last.take() else { return nil }
    defer { self.count = 0 }
    return (last, self.count)
  }

  /// Redis was not told this.
  mutating func putBack(_ told: (last: Offset, count: Int)) {
    self.last = self.last ?? told.last
    self.count += told.count
  }
}

extension GroupConsumer {
  /// Adds entries that are done with, of which Redis is told later and many at once.
  ///
  /// To acknowledge each batch by itself would cost as much as to store it. What is not acknowledged
  /// when this process dies comes again, and is recognised.
  ///
  /// - Parameter entries: in order, and nothing before them is unfinished.
  func addFinished(_ entries: [StreamEntry]) {
    guard let last = entries.last else { return }
    self.finished.add(entries.count, through: last.offset)
    if self.finished.count >= BusLimits.acknowledgeEntries {
      self.client.eventLoop.assumeIsolated().execute { self.acknowledge { _ in } }
    } else {
      self.acknowledgeLater()
    }
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

  /// Acknowledges: moves the group that says how far everything is finished, and removes from the stream what every
  /// group on it is done with.
  ///
  /// Only where the groups are as they were left, which is looked at in the turn before. If the group that reads is
  /// not there, the stream is another one, made again after a loss. If it stands below what it has given, a replica
  /// has taken over that knew less of what was read. Then what came since may lie below what was finished, if the
  /// clock was set back as well: nobody has seen it.
  private func acknowledge(completion: @escaping (RedisError?) -> Void) {
    self.finished.timer?.cancel()
    self.finished.timer = nil
    guard let told = self.finished.take() else { return completion(nil) }

    let session = self.groups
    let read = self.lastRead
    var batch = RedisBatch()
    let groups = batch.groups(of: self.stream)
    self.client.submit(batch) { replies in
      do throws(RedisError) {
        let groups = try replies[groups] ?? []
        // Without it the next read fails, and another session begins.
        guard session == self.groups,
          let reading = groups.first(where: { $0.name == session.reading })
        else { return completion(nil) }
        guard reading.lastDelivered >= read,
          groups.contains(where: { $0.name == session.finished })
        else {
          self.isOutdated = true
          return completion(nil)
        }
        self.findLimit(told.last, others: groups.filter { !session.contain($0.name) }) { limit in
          self.tell(told, removingThrough: limit, in: session, completion)
        }
      } catch {
        if session == self.groups { self.finished.putBack(told) }
        completion(error)
      }
    }
  }

  /// Finds up to where every other group is done, too; zero if that is not known.
  private func findLimit(
    _ last: Offset, others: [StreamGroup], _ completion: @escaping (Offset) -> Void
  ) {
    let limit = others.map(\.lastDelivered).min().map { min($0, last) } ?? last
    let busy = others.filter { $0.pending > 0 }
    guard !busy.isEmpty else { return completion(limit) }
    var batch = RedisBatch()
    let oldest = busy.map { batch.oldestPending(of: self.stream, group: $0.name) }
    self.client.submit(batch) { replies in
      var limit = limit
      for oldest in oldest {
        do throws(RedisError) {
          if let oldest = try replies[oldest] { limit = min(limit, oldest.predecessor) }
        } catch {
          // The next acknowledgement asks again.
          limit = .zero
        }
      }
      completion(limit)
    }
  }

  /// Entries that a failure leaves are removed with the next acknowledgement.
  private func tell(
    _ told: (last: Offset, count: Int), removingThrough limit: Offset, in session: GroupNames,
    _ completion: @escaping (RedisError?) -> Void
  ) {
    var batch = RedisBatch()
    let moved = batch.move(group: session.finished, of: self.stream, to: told.last)
    if limit > .zero { batch.trim(self.stream, through: limit) }
    self.client.submit(batch) { replies in
      do throws(RedisError) {
        try replies[moved]
        completion(nil)
      } catch {
        // An acknowledgement does no harm twice, nor behind a later one: what is finished may come again.
        if session == self.groups { self.finished.putBack(told) }
        completion(error)
      }
    }
  }
}
