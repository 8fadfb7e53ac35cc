import ConnectProtocol
import MessageBus
import Redis

/// Looks among a mailbox's newest entries for messages that may have been sent before, a portion at a
/// time, from the newest down.
///
/// Of what was read it keeps only which messages were found, and hashes: the entries themselves may be
/// large, and so many. What an earlier search has read is not read again, but for those entries that
/// seem to be what is looked for.
///
/// A copy is not taken for a repeat where the failure of its message stands above the first: the message was
/// stored after all, and its sender has to be told. One that says itself that it was not is a repeat there, too.
struct RetrySearch {
  /// The next thing to read.
  enum Question: Hashable {
    /// Entries that were read before, one by one.
    case places([Offset])
    /// At most this many entries, from where the last portion ended.
    case newest(Int)

    /// The most entries that the answer has.
    var count: Int {
      switch self {
      case .places(let offsets): offsets.count
      case .newest(let count): count
      }
    }
  }

  let recipient: UserName
  private let items: [MailboxWriter.Item]
  private let hashes: [Int]
  /// For each item, whether to search for it; the others may be found along the way.
  private let isSought: [Bool]
  /// For each item, the mailbox's entry of the same message, if that was another entry of the bus.
  private(set) var known: [Mailbox.Entry?]
  /// For each item, whether it is a copy, and the failure of its message the last news before it.
  private var isRevocation: [Bool]
  /// Offsets at which an earlier search found possible repeats.
  private var places: [Offset] = []
  private var newest: NewestEntries
  private let seeksCopy: Bool
  /// No entry below it can be one of those sought; nil if that is not known.
  private let floor: Offset?
  private var portion = MessagingLimits.retryFirstPortionEntries
  /// Entries read by an earlier search, until this one has read all above them.
  private var earlier: SearchedMailboxes.Window?
  private var read: [SearchedMailboxes.Entry] = []
  private var isWhole = false

  /// - Parameter earlier: Entries of this mailbox read by an earlier search.
  init(
    _ items: [MailboxWriter.Item], isSought: [Bool], in recipient: UserName,
    earlier: SearchedMailboxes.Window? = nil
  ) {
    self.recipient = recipient
    self.items = items
    self.hashes = items.map(\.envelope.repeatHash)
    self.isSought = isSought
    self.known = Array(repeating: nil, count: items.count)
    self.isRevocation = Array(repeating: false, count: items.count)
    self.seeksCopy = zip(items, isSought).contains { $0.envelope.kind == .sent && $1 }
    self.floor = Self.floor(of: zip(items, isSought).lazy.filter(\.1).map(\.0))
    self.newest = NewestEntries(above: earlier?.entries.first?.offset)
    self.earlier = earlier
    guard let earlier else { return }
    let sought = Set(zip(self.hashes, isSought).lazy.filter { $0.1 }.map { $0.0 })
    self.places = earlier.entries.filter { sought.contains($0.hash) }.map(\.offset)
  }

  /// What was first sent at a time is not stored before it, but for what clocks differ.
  private static func floor(of items: some Sequence<MailboxWriter.Item>) -> Offset? {
    var floor = UInt64.max
    for item in items {
      guard let firstSent = item.firstSent else { return nil }
      floor = min(floor, firstSent)
    }
    let slack = MessagingLimits.retrySlackMilliseconds
    return Offset(milliseconds: floor > slack ? floor - slack : 0, sequence: 0)
  }

  var isDone: Bool {
    (self.places.isEmpty && self.isThrough)
      || !self.items.indices.contains { self.isSought[$0] && self.isOpen($0) }
  }

  /// Whether all was read but ``places``.
  private var isThrough: Bool {
    self.newest.left == 0
      || self.floor.flatMap { floor in self.newest.below.map { $0 < floor } } ?? false
  }

  private func isOpen(_ index: Int) -> Bool {
    self.known[index] == nil && !self.isRevocation[index]
  }

  /// Entries read by this search and earlier ones; nil if this one has read nothing new.
  var window: SearchedMailboxes.Window? {
    guard !self.read.isEmpty else { return nil }
    let maximum = MessagingLimits.retryWindowEntries
    return SearchedMailboxes.Window(
      entries: Array(self.read.prefix(maximum)),
      isWhole: self.isWhole && self.read.count <= maximum)
  }

  func question(atMost maximum: Int) -> Question {
    // Of copies the newest counts, so what came since the earlier search is read first.
    let isDownwards = self.seeksCopy && self.earlier != nil && !self.isThrough
    guard self.places.isEmpty || isDownwards else {
      return .places(Array(self.places.prefix(maximum)))
    }
    return .newest(min(maximum, self.portion, self.newest.left))
  }

  /// Appends the reads: one command for each place, or one for all entries.
  func append(
    _ question: Question, of mailbox: RedisKey, to batch: inout RedisBatch
  ) -> [Reply<[StreamEntry]>] {
    switch question {
    case .places(let offsets):
      offsets.map { batch.entries(of: mailbox, after: $0.predecessor, maximum: 1) }
    case .newest(let count):
      [self.newest.next(count, of: mailbox, to: &batch)]
    }
  }

  mutating func read(_ entries: [Mailbox.Entry], to question: Question) {
    let read = entries.map { entry in
      SearchedMailboxes.Entry(hash: self.compare(entry), offset: entry.offset)
    }
    switch question {
    case .places(let offsets):
      self.places.removeFirst(offsets.count)
    case .newest(let asked):
      self.read += read
      self.newest.read(entries, asked: asked)
      self.portion = min(2 * self.portion, MessagingLimits.retryPortionEntries)
      if entries.count < asked { self.reachedEnd() }
    }
  }

  /// Returns the entry's hash.
  private mutating func compare(_ entry: Mailbox.Entry) -> Int {
    guard let envelope = entry.envelope else { return 0 }
    let hash = envelope.repeatHash
    for (index, item) in self.items.enumerated()
    where self.hashes[index] == hash && self.isOpen(index) {
      if envelope.isRevoked(by: item.envelope) {
        self.isRevocation[index] = true
      } else if envelope.isRepeat(of: item.envelope),
        envelope.origin(at: entry.offset) != item.offset
      {
        self.known[index] = entry
      }
    }
    return hash
  }

  /// Everything above the earlier search's entries was read, or the whole mailbox.
  private mutating func reachedEnd() {
    guard let earlier, let bottom = earlier.entries.last else {
      self.isWhole = true
      return
    }
    self.earlier = nil
    self.read += earlier.entries
    self.isWhole = earlier.isWhole
    self.newest = NewestEntries(
      below: bottom.offset,
      left: earlier.isWhole ? 0 : MessagingLimits.retryWindowEntries - self.read.count)
  }
}
