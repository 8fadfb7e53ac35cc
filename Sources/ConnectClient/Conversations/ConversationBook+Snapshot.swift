import ConnectProtocol

/// What a store keeps of a book.
extension ConversationBook {
  /// Records of which the present state follows, but for what is beyond the limits of a store.
  var snapshot: [BookRecord] {
    let logs = self.storedLogs
    var records: [BookRecord] = []
    // Before the list that is read now begins, since this one has not named them.
    for log in logs where !self.named.contains(log.peer) {
      guard let listed = log.listed else { continue }
      records += [.position(log.peer, log.position), .listed(log.peer, listed)]
    }
    if let start = self.start { records.append(.cut(start)) }
    records.append(.floor(self.floor))
    if let stamp = self.stamp.known { records.append(.stamp(stamp)) }
    if let now = self.serverNow { records.append(.serverNow(now)) }
    for log in logs {
      // What is not sent is kept, however much else there is.
      records += log.unplaced.map { .entry($0) }
      records.append(.position(log.peer, log.position))
      if self.named.contains(log.peer), let listed = log.listed {
        records.append(.listed(log.peer, listed))
      }
      records += log.placed.map { .entry($0) }
      records.append(.begins(log.peer, log.start, isTrimmed: log.isTrimmed))
    }
    if let handled = self.handled { records.append(.handled(handled)) }
    if !self.needsList { records.append(.listRead(next: self.nextList)) }
    return records
  }

  /// The conversations as a store keeps them: the newest entries of the newest ones, and of the others what is in
  /// the list.
  private var storedLogs: [ConversationLog] {
    let newest = self.newestFirst
    // Those with quiet messages only are in no list.
    let others = Set(self.logs.keys).subtracting(newest.map(\.peer)).map { self.log($0) }
    var room = ConnectClientLimits.storedBodyBytes
    return (newest + others).enumerated().map { index, log in
      var log = log
      let isKept = index < ConnectClientLimits.storedConversations
      let entries = log.placed.suffix(isKept ? ConnectClientLimits.storedEntries : 0)
      let fitting = entries.reversed().prefix { entry in
        room -= entry.body.buffer.readableBytes
        return room >= 0
      }
      log.limit(to: fitting.count, floor: self.floor, isListPartial: self.isListPartial)
      return log
    }
  }
}
