import ConnectClient
import ConnectProtocol
import Gateway

/// What the mailbox of each user holds in truth, as its devices were shown it, and what is wrong with lists
/// and histories that the server answers.
///
/// A list is exact at any time: what is unread is what the mailbox has between how far the answer says that
/// the user has read, and the newest message that it names. So an answer of a moment in which others wrote is
/// compared like any other, later, once all is known. Pure.
struct LogLedger {
  struct Entry: Equatable {
    let offset: Offset
    let place: Ledger.Place
    /// Whether the user has sent it.
    let isCopy: Bool
    /// Whether it is there once more, as a repeat that clients do not show.
    var isAgain = false
  }

  private struct Log {
    /// The lowest first.
    var entries: [Entry] = []
    /// What lies below is no longer kept, or not known any more.
    var bottom = Offset.zero
    /// The newest entry of each peer that is not quiet.
    var newest: [Int: Entry] = [:]
  }

  private let directions: [ChatLedger.Direction]
  private var logs: [Log]

  init(directions: [ChatLedger.Direction], users: Int) {
    self.directions = directions
    self.logs = Array(repeating: Log(), count: users)
  }

  // MARK: What happens

  /// A device of `user` was shown a message or a copy, as the first one.
  mutating func stored(_ place: Ledger.Place, isCopy: Bool, of user: Int, at offset: Offset) {
    let entry = Entry(offset: offset, place: place, isCopy: isCopy)
    self.insert(entry, of: user)
    let peer = self.peer(of: entry)
    if !Self.isQuiet(entry), self.logs[user].newest[peer].map({ $0.offset < offset }) ?? true {
      self.logs[user].newest[peer] = entry
    }
    guard self.logs[user].entries.count > 2 * FaultLimits.entriesKept else { return }
    self.logs[user].entries.removeFirst(FaultLimits.entriesKept)
    self.logs[user].bottom = max(self.logs[user].bottom, self.logs[user].entries[0].offset)
  }

  /// The newest known entry of each peer that counts for lists: a list that is asked for now names them all.
  func newest(of user: Int) -> [Int: Entry] { self.logs[user].newest }

  private mutating func insert(_ entry: Entry, of user: Int) {
    var index = self.logs[user].entries.endIndex
    while index > 0, self.logs[user].entries[index - 1].offset > entry.offset { index -= 1 }
    self.logs[user].entries.insert(entry, at: index)
  }

  private func peer(of entry: Entry) -> Int {
    let direction = self.directions[entry.place.conversation]
    return entry.isCopy ? direction.to : direction.from
  }

  private static func isQuiet(_ entry: Entry) -> Bool { ChatTraits(entry.place).isQuiet }

  // MARK: Histories

  /// A history that a device was told, all of its parts together.
  struct History {
    let user: Int
    /// Nil for all peers.
    var peer: Int?
    let entries: [MailboxEntry]
    let isTrimmed: Bool
    /// It goes down to here.
    var end = Offset.zero
  }

  /// What is wrong with a history that was told while nobody wrote. To be asked first of one of all peers
  /// that was told last: it shows what is kept, and what is there twice.
  ///
  /// - Parameter isOptional: whether a message need not be there, since losses were excused.
  mutating func faults(
    in history: History, isOptional: (Ledger.Place) -> Bool
  ) -> [String] {
    if history.isTrimmed, history.peer == nil {
      guard let lowest = history.entries.last?.offset else { return ["all is trimmed"] }
      self.logs[history.user].bottom = max(self.logs[history.user].bottom, lowest)
    }
    let log = self.logs[history.user]
    var faults: [String] = []
    var last: Offset?
    var again: [Entry] = []
    var index = log.entries.endIndex
    /// The next entry that the history must have, or may have, from `offset` on.
    func next(from offset: Offset) -> Entry? {
      while index > 0, log.entries[index - 1].offset >= max(offset, log.bottom) {
        let entry = log.entries[index - 1]
        if history.peer == nil || history.peer == self.peer(of: entry) { return entry }
        index -= 1
      }
      return nil
    }
    /// Nothing from `offset` on may be left out.
    func skip(to offset: Offset) {
      while let entry = next(from: offset) {
        if !entry.isAgain, !isOptional(entry.place) {
          faults.append("\(self.name(entry)) is missing")
        }
        index -= 1
      }
    }
    for told in history.entries {
      if let last, told.offset >= last { faults.append("\(told.offset) comes behind \(last)") }
      last = told.offset
      guard told.offset >= log.bottom else { break }
      if case .failed = told { continue }
      guard let entry = self.entry(told, of: history.user) else {
        faults.append("nobody sent what is at \(told.offset)")
        continue
      }
      if let peer = history.peer, peer != self.peer(of: entry) {
        faults.append("\(self.name(entry)) is of another conversation")
        continue
      }
      skip(to: entry.offset.successor)
      if let expected = next(from: entry.offset) {
        if expected.place != entry.place || expected.isCopy != entry.isCopy {
          faults.append("\(self.name(entry)) stands for \(self.name(expected))")
        }
        index -= 1
      } else if isOptional(entry.place) || self.has(entry, user: history.user) {
        again.append(
          Entry(
            offset: entry.offset, place: entry.place, isCopy: entry.isCopy, isAgain: true))
      } else {
        faults.append("\(self.name(entry)) was shown to nobody")
      }
    }
    // Below the last one is what was not asked for, or is trimmed, and so below the bottom.
    skip(to: history.end)
    for entry in again { self.insert(entry, of: history.user) }
    return faults
  }

  /// Whether it is there under another offset.
  private func has(_ entry: Entry, user: Int) -> Bool {
    self.logs[user].entries.contains { $0.place == entry.place && $0.isCopy == entry.isCopy }
  }

  /// What an answer has; nil if nobody sent that.
  private func entry(_ told: MailboxEntry, of user: Int) -> Entry? {
    switch told {
    case .message(let message):
      guard let traits = ChatTraits(message.id),
        self.directions.indices.contains(traits.conversation),
        self.directions[traits.conversation].to == user,
        Chatters.user(message.from) == self.directions[traits.conversation].from,
        ChatBody.isIntact(message.body, of: message.id, isQuiet: message.quiet)
      else { return nil }
      return Entry(offset: message.offset, place: traits.place, isCopy: false)
    case .sent(let sent):
      guard let traits = ChatTraits(sent.id), self.directions.indices.contains(traits.conversation),
        self.directions[traits.conversation].from == user,
        Chatters.user(sent.to) == self.directions[traits.conversation].to,
        ChatBody.isIntact(sent.body, of: sent.id, isQuiet: sent.quiet)
      else { return nil }
      return Entry(offset: sent.offset, place: traits.place, isCopy: true)
    case .failed: return nil
    }
  }

  private func name(_ entry: Entry) -> String {
    let what = entry.isCopy ? "copy of message" : "message"
    return "\(what) \(entry.place.conversation).\(entry.place.number) at \(entry.offset)"
  }

  // MARK: Lists

  /// A list of conversations that a device was told: all of its parts.
  struct List {
    let user: Int
    let parts: [(before: ConversationCursor?, page: ConversationPage)]
    /// The newest entries that were known before it was asked for.
    var known: [Int: Entry] = [:]
  }

  /// What may be said of a conversation's positions: no less than the first, no more than the second.
  typealias Bounds = (least: PositionLedger.Row, most: PositionLedger.Row)

  /// What is wrong with a list.
  ///
  /// - Parameters:
  ///   - isSettled: whether it was told while nobody wrote, and all was told everywhere.
  ///   - bounds: for the conversation with each peer.
  func faults(
    in list: List, isSettled: Bool, bounds: (Int) -> Bounds, isOptional: (Ledger.Place) -> Bool
  ) -> [String] {
    var faults: [String] = []
    var named: Set<Int> = []
    var lowest: Offset?
    for part in list.parts {
      var inPart: Set<UserName> = []
      for item in part.page.conversations {
        guard let peer = Chatters.user(item.peer), inPart.insert(item.peer).inserted else {
          faults.append("\(item.peer.text) is named twice at once, or is nobody")
          continue
        }
        // One that was named before is ignored.
        guard named.insert(peer).inserted else { continue }
        if let last = item.last?.offset {
          if let lowest, last >= lowest { faults.append("\(last) comes behind \(lowest)") }
          lowest = last
        }
        faults += self.faults(
          in: item, with: peer, before: part.before, of: list.user, isSettled: isSettled,
          bounds: bounds(peer), isOptional: isOptional
        ).map { "\(item.peer.text): \($0)" }
      }
    }
    let newest = isSettled ? self.logs[list.user].newest : list.known
    for (peer, entry) in newest where !named.contains(peer) && !isOptional(entry.place) {
      if entry.offset >= self.logs[list.user].bottom {
        faults.append("user \(peer) is missing, with \(self.name(entry))")
      }
    }
    guard isSettled else { return faults }
    for direction in self.directions {
      guard direction.from == list.user || direction.to == list.user else { continue }
      let peer = direction.from == list.user ? direction.to : direction.from
      if !named.contains(peer), bounds(peer).least != .init() {
        faults.append("user \(peer) is missing, who has a position")
      }
    }
    return faults
  }

  private func faults(
    in item: ConversationSummary, with peer: Int, before: ConversationCursor?, of user: Int,
    isSettled: Bool, bounds: Bounds, isOptional: (Ledger.Place) -> Bool
  ) -> [String] {
    var faults: [String] = []
    let mine = item.mine ?? .zero
    let read = item.read ?? .zero
    let told: [(String, Offset, Offset, Offset)] = [
      ("mine", bounds.least.mine, mine, bounds.most.mine),
      ("read", bounds.least.read, read, bounds.most.read),
      (
        "delivered", max(bounds.least.delivered, bounds.least.read),
        max(item.delivered ?? .zero, read), max(bounds.most.delivered, bounds.most.read)
      ),
    ]
    for (name, least, offset, most) in told
    where offset > most || isSettled && offset < least {
      faults.append("\(name) \(offset) is not between \(least) and \(most)")
    }
    let log = self.logs[user]
    let newest = log.newest[peer].flatMap { isOptional($0.place) ? nil : $0 }
    guard let last = item.last else {
      if isSettled, let newest, newest.offset >= log.bottom {
        faults.append("without \(self.name(newest))")
      }
      if item.unread != 0 { faults.append("\(item.unread) unread of nothing") }
      return faults
    }
    guard let entry = self.entry(last, of: user), !Self.isQuiet(entry), self.peer(of: entry) == peer
    else { return faults + ["what is at \(last.offset) cannot be its last"] }
    guard self.isAt(entry, user: user) else {
      // While others write it may be seen under an offset that it loses with a primary.
      return faults + (isSettled ? ["\(self.name(entry)) was shown to nobody"] : [])
    }
    if isSettled, let newest, newest.offset > entry.offset {
      faults.append("\(self.name(entry)) is not its last, but \(self.name(newest))")
    }
    let (least, most) = self.unread(
      of: peer, above: mine, upTo: entry.offset, in: log, isOptional: isOptional)
    if !item.unreadIsMore {
      if !(least...most).contains(item.unread) {
        faults.append("\(item.unread) unread, not \(least) to \(most), above \(mine)")
      }
      return faults
    }
    if item.unread > most { faults.append("\(item.unread) unread, more than \(most)") }
    guard isSettled else { return faults }
    var top = log.entries.endIndex
    if case .log(let below) = before { top = Self.index(of: below, in: log) }
    // Whoever has looked at so many does not know that nothing lies below them.
    let end =
      top >= GatewayLimits.requestEntries
      ? log.entries[top - GatewayLimits.requestEntries].offset : .zero
    let lookedAt = max(mine, end.predecessor, log.bottom.predecessor)
    let counted = self.unread(
      of: peer, above: lookedAt, upTo: entry.offset, in: log, isOptional: isOptional
    ).least
    if item.unread < counted {
      faults.append("\(item.unread) unread, although \(counted) are looked at")
    }
    if mine >= max(end, log.bottom) {
      faults.append("more unread, although all above \(mine) is looked at")
    }
    return faults
  }

  /// How many messages of a peer are unread: those that must be there, and those that may.
  private func unread(
    of peer: Int, above mine: Offset, upTo last: Offset, in log: Log,
    isOptional: (Ledger.Place) -> Bool
  ) -> (least: Int, most: Int) {
    var (least, most) = (0, 0)
    var index = Self.index(of: last.successor, in: log)
    while index > 0, log.entries[index - 1].offset > mine {
      index -= 1
      let entry = log.entries[index]
      guard !entry.isCopy, self.peer(of: entry) == peer, !Self.isQuiet(entry) else { continue }
      most += 1
      if !entry.isAgain, !isOptional(entry.place) { least += 1 }
    }
    return (least, most)
  }

  private func isAt(_ entry: Entry, user: Int) -> Bool {
    let log = self.logs[user]
    let index = Self.index(of: entry.offset, in: log)
    return index < log.entries.endIndex && log.entries[index].offset == entry.offset
      && log.entries[index].place == entry.place && log.entries[index].isCopy == entry.isCopy
  }

  /// The first entry from an offset on.
  private static func index(of offset: Offset, in log: Log) -> Int {
    var (low, high) = (log.entries.startIndex, log.entries.endIndex)
    while low < high {
      let middle = (low + high) / 2
      if log.entries[middle].offset < offset { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

extension Offset {
  /// The greatest offset below this one; zero answers itself.
  fileprivate var predecessor: Offset {
    if self.sequence > 0 {
      return Offset(milliseconds: self.milliseconds, sequence: self.sequence - 1)
    }
    return self.milliseconds > 0
      ? Offset(milliseconds: self.milliseconds - 1, sequence: .max) : self
  }
}
