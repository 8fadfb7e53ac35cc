import ConnectProtocol

/// What the server answers: parts of its list, and earlier entries.
extension ConversationBook {
  /// A part of the server's list has come.
  ///
  /// - Parameter isFirst: whether it is the beginning of the list.
  mutating func received(_ page: ConversationPage, isFirst: Bool) -> [BookRecord] {
    var records: [BookRecord] = []
    if isFirst { self.record(.listBegun, &records) }
    for item in page.conversations {
      self.record(
        .position(
          item.peer, .init(delivered: item.delivered, read: item.read, mine: item.mine)),
        &records)
      guard !self.named.contains(item.peer) else { continue }
      var listed = ConversationLog.Listed(
        last: item.last.flatMap { self.entry($0) }, unread: item.unread,
        isMore: item.unreadIsMore)
      if let mine = self.log(item.peer).position.mine, mine > item.mine ?? self.floor {
        // More is read than the answer knows.
        listed = listed.read(through: mine)
      }
      self.record(.listed(item.peer, listed), &records)
    }
    self.record(.listRead(next: page.next), &records)
    return records
  }

  /// Earlier entries have come. They are held, and not stored: the server has them.
  ///
  /// - Parameter before: where they end; nil for the end of the mailbox. If by now what is held begins above that, as
  ///   after a gap, there would be a hole between, so they are not taken.
  mutating func received(_ page: HistoryPage, with peer: UserName, before: Offset? = nil) {
    if let before, self.log(peer).start > before { return }
    for entry in page.entries {
      if let entry = self.entry(entry) {
        self.change(peer) { $0.putEarlier(entry) }
      } else if case .failed(let failed) = entry {
        self.change(peer) {
          $0.failEarlier(
            failed.id, at: failed.offset, .init(code: failed.code, message: failed.message))
        }
      }
    }
    let log = self.log(peer)
    let start = min(log.start, page.next ?? .zero)
    let isTrimmed = page.isTrimmed || log.isTrimmed && start == log.start
    self.apply(.begins(peer, start, isTrimmed: isTrimmed))
  }

  private func entry(_ entry: MailboxEntry) -> LogEntry? {
    switch entry {
    case .message(let message): LogEntry(message, to: self.user)
    case .sent(let sent): LogEntry(sent, from: self.user)
    case .failed: nil
    }
  }

  /// The list was read again: what it does not know better stays as it is.
  mutating func relisted() -> [BookRecord] {
    var records: [BookRecord] = []
    for peer in self.stale {
      guard var listed = self.log(peer).listed else { continue }
      listed.isStale = false
      self.record(.listed(peer, listed), &records)
    }
    return records
  }
}
