import Redis

/// Blocking reads of one session, several of which may be under way: what has come is given in order.
struct ReadsAhead<Entry> {
  /// How many reads are sent when none is under way.
  private(set) var count = 1
  /// Reads that were sent and are not answered.
  private(set) var underWay = 0
  /// Tells the reads of a session from those of earlier ones, whose entries come again.
  private(set) var session = 0
  private var arrived: [Result<[Entry], RedisError>] = []
  private var waiter: CheckedContinuation<Void, Never>?

  var isEmpty: Bool { self.underWay == 0 && self.arrived.isEmpty }

  /// Whether something has come and was not taken.
  var hasArrived: Bool { !self.arrived.isEmpty }

  /// Whether entries have come that were not taken, before a failure.
  var hasEntries: Bool {
    for result in self.arrived {
      guard case .success(let entries) = result else { return false }
      if !entries.isEmpty { return true }
    }
    return false
  }

  mutating func sent() { self.underWay += 1 }

  mutating func answered(_ result: Result<[Entry], RedisError>) {
    self.underWay -= 1
    self.arrived.append(result)
    self.waiter.take()?.resume()
  }

  mutating func wait(_ waiter: CheckedContinuation<Void, Never>) { self.waiter = waiter }

  /// All that has come up to a failure, `maximum` entries at most unless the first reply has more.
  mutating func take(maximum: Int) throws(RedisError) -> [Entry] {
    var entries = try self.arrived.removeFirst().get()
    while case .success(let more) = self.arrived.first, entries.count + more.count <= maximum {
      entries += more
      self.arrived.removeFirst()
    }
    return entries
  }

  /// Sends more at once while entries come one by one, and fewer where none come, and where they come together:
  /// then reads that are sent ahead would only divide them.
  mutating func adapt(to entries: Int) {
    switch entries {
    case 0: self.count = max(1, self.count / 2)
    case 1: self.count = min(self.count + 1, BusLimits.readsAhead)
    default: self.count = max(1, self.count / entries)
    }
  }

  /// Whatever is still to come is of an earlier session.
  mutating func forget() {
    self.session += 1
    self.underWay = 0
    self.arrived = []
  }
}

extension GroupConsumer {
  /// New entries for this group, in order. Empty if none came in time.
  ///
  /// At low rates each entry would cost a read of its own, for which Redis and this process wake up. So
  /// several are sent at once: as soon as Redis has answered one, it waits for the next entry with the one
  /// behind it, which it has already.
  func read(
    maximum: Int = BusLimits.entriesPerRead, blockMilliseconds: Int64? = nil
  ) async throws(RedisError) -> [StreamEntry] {
    if self.reads.isEmpty { self.sendReads(maximum, blockMilliseconds ?? self.blockMilliseconds) }
    if !self.reads.hasArrived { await withCheckedContinuation { self.reads.wait($0) } }
    let entries: [StreamEntry]
    do throws(RedisError) {
      entries = try self.reads.take(maximum: maximum)
    } catch {
      if error.isOversized { self.entriesPerRead = max(1, self.entriesPerRead / 8) }
      throw error
    }
    self.reads.adapt(to: entries.count)
    guard let first = entries.first, let last = entries.last else { return [] }
    guard first.offset > self.lastRead else {
      throw .withheld("\(self.stream) has gone back behind \(self.lastRead)")
    }
    self.lastRead = last.offset
    self.entriesPerRead = min(2 * self.entriesPerRead, BusLimits.entriesPerRead)
    return entries
  }

  /// All together return no more entries, and wait no longer, than one read does: so a server that is silent is
  /// noticed as soon, whichever of them it leaves without an answer.
  private func sendReads(_ maximum: Int, _ blockMilliseconds: Int64) {
    // Whoever wants fewer wants nothing to be read before that is finished.
    let count =
      maximum < BusLimits.entriesPerRead ? 1 : min(self.reads.count, self.entriesPerRead)
    let maximum = min(maximum, self.entriesPerRead) / count
    let blockMilliseconds = max(1, blockMilliseconds / Int64(count))
    let session = self.reads.session
    for place in 1...count {
      var batch = RedisBatch()
      let read = batch.readGroup(
        self.groups.reading, as: self.instance, from: self.stream, maximum: maximum,
        blockMilliseconds: blockMilliseconds)
      batch.maximumReplyBytes = self.maximumReplyBytes
      self.reads.sent()
      self.reader.submit(
        batch,
        timeout: .milliseconds(
          Int64(place) * blockMilliseconds + RedisLimits.blockingReadGraceMilliseconds)
      ) { replies in
        guard session == self.reads.session else { return }
        self.reads.answered(
          Result { () throws(RedisError) in
            guard let entries = try replies[read] else { return [] }
            // A reader that did not wait, and has got nothing, would ask again at once, and again.
            guard !entries.isEmpty else {
              throw .unexpectedReply("XREADGROUP answered no entries")
            }
            return entries
          })
      }
    }
  }
}
