import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// Keeps written mailboxes short, outside the path of a message, with `trim_mailbox.lua`.
extension MailboxWriter {
  static func nowSeconds() -> Int {
    Int(NIODeadline.now().uptimeNanoseconds / 1_000_000_000)
  }

  /// Remembers a mailbox after a write, and queues it when it is to be looked after: written for the
  /// first time, not looked after for a day, or grown by a step beyond its history.
  ///
  /// - Parameters:
  ///   - top: the last offset; zero when another may have been written since.
  ///   - added: how many entries were written, and their bytes.
  func remember(
    _ user: UserName, top: Offset, length: Int, added: (entries: Int, bytes: Int), nowSeconds: Int
  ) {
    var entry =
      self.lastWrites[user] ?? LastWrites.Entry(offset: top, length: length - added.entries)
    let expected = entry.length + added.entries
    entry.offset = top
    entry.bytes += added.bytes
    if length != expected { entry.correct(length: length, expected: expected) }
    entry.length = length
    if nowSeconds >= entry.nextLookSeconds || length >= entry.nextLookLength {
      if !self.isStopped, self.trimQueue.insert(user) {
        entry.nextLookSeconds = nowSeconds + MessagingLimits.mailboxLookSeconds
        entry.nextLookLength = self.nextLook(after: length)
        self.scheduleTrimming()
      }
    }
    self.lastWrites[user] = entry
  }

  private func nextLook(after length: Int) -> Int {
    max(length, self.limits.historyEntries) + MessagingLimits.mailboxLookEntries
  }

  /// Adopts a length that was read apart from a write.
  func correct(_ user: UserName, length: Int) {
    guard var entry = self.lastWrites[user], entry.length != length else { return }
    entry.offset = .zero
    entry.correct(length: length, expected: entry.length)
    self.lastWrites[user] = entry
  }

  /// Takes over what the script did. The top is as it was, unless the length says that another one
  /// wrote, too.
  ///
  /// - Parameters:
  ///   - maximum: how many entries it was to remove at most.
  ///   - isLook: whether it was called to look after the mailbox, and Redis is asked for the bytes, too.
  func trimmed(_ user: UserName, _ trim: MailboxTrim, maximum: Int, isLook: Bool) {
    guard var entry = self.lastWrites[user] else { return }
    let expected = entry.length - trim.removed
    entry.bytes = max(0, entry.bytes - trim.removedBytes)
    if expected != trim.length {
      entry.offset = .zero
      entry.correct(length: trim.length, expected: expected)
    }
    entry.length = trim.length
    entry.nextLookLength = self.nextLook(after: trim.length)
    self.lastWrites[user] = entry
    // There may be more to remove than one call does. And Redis gains more than the bytes of entries.
    let isUnfinished = isLook ? trim.removed == maximum : trim.removed > 0
    if isUnfinished || trim.hasCrowd, !self.isStopped, self.trimQueue.insert(user) {
      self.scheduleTrimming()
    }
  }

  /// Adopts the memory use that Redis reports, if it does.
  func measured(_ user: UserName, bytes: Int) {
    guard var entry = self.lastWrites[user] else { return }
    entry.bytes = bytes
    entry.isMeasured = true
    self.lastWrites[user] = entry
  }

  private func scheduleTrimming() {
    guard self.trimTimer == nil, !self.isTrimming, !self.isTrimDue else { return }
    self.trimTimer = self.client.eventLoop.assumeIsolated().scheduleTask(
      in: .milliseconds(MessagingLimits.trimMilliseconds)
    ) {
      self.trimTimer = nil
      self.isTrimDue = true
      self.trimIfDue()
    }
  }

  /// Between two batches, never during one: then what is remembered changes in the order in which
  /// Redis was asked, and no chain breaks for nothing.
  func trimIfDue() {
    guard self.isTrimDue, !self.isStoring else { return }
    self.isTrimDue = false
    let users = self.withMaxima(self.trimQueue.next(MessagingLimits.mailboxesPerTrim))
    let calls = users.map { user, maximum in
      MailboxTrim.call(
        of: user, keys: self.keys, limits: self.limits, makesRoom: false, maximum: maximum)
    }
    self.isTrimming = true
    self.client.run(calls) { results in
      for ((user, maximum), result) in zip(users, results) {
        // One that could not be trimmed is tried again when its next look is due.
        guard case .success(let trim) = result else { continue }
        self.trimmed(user, trim, maximum: maximum, isLook: true)
      }
      self.measure(users.map(\.user)) {
        self.isTrimming = false
        if !self.trimQueue.isEmpty { self.scheduleTrimming() }
      }
    }
  }

  /// Asks how much memory mailboxes use, and adopts what Redis reports; nothing from one whose user has no
  /// right to ask.
  func measure(_ users: [UserName], completion: @escaping () -> Void) {
    var batch = RedisBatch()
    let places = users.map { batch.memoryUsage(of: self.keys.mailbox($0)) }
    self.client.submit(batch) { replies in
      for (user, place) in zip(users, places) {
        if let bytes = try? replies[place] { self.measured(user, bytes: bytes) }
      }
      completion()
    }
  }

  /// The mailboxes, each with the most entries that one trimming may remove.
  func withMaxima(_ users: [UserName]) -> [(user: UserName, maximum: Int)] {
    users.map { ($0, self.lastWrites[$0]?.entriesPerTrim ?? MessagingLimits.entriesPerTrim) }
  }
}
