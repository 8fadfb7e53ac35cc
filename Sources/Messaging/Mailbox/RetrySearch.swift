import ConnectProtocol
import MessageBus
import Redis

/// Looks among a mailbox's newest entries for messages that may have been sent before, a portion at a
/// time, from the newest down.
///
/// Of what was read it keeps only which messages were found, and hashes: the entries themselves may be
/// large, and so many. What an earlier search has read is not read again, but for those entries that
/// seem to be what is looked for.
struct RetrySearch {
  /// What is to be read next.
  enum Question: Hashable {
    /// Entries that were read before, each by itself.
    case places([Offset])
    /// So many entries, from where the last ended.
    case newest(Int)

    /// How many entries it brings at most.
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
  /// Whether each of the items is to be looked for; the others are found by the way.
  private let isSought: [Bool]
  /// Whether each of the items stands there as another entry of the bus.
  private(set) var isKnown: [Bool]
  /// Where what is sought may stand, according to an earlier search.
  private var places: [Offset] = []
  private var newest: NewestEntries
  private var portion = MessagingLimits.retryFirstPortionEntries
  /// What an earlier search has read, until this one has read all above it.
  private var earlier: SearchedMailboxes.Window?
  private var read: [SearchedMailboxes.Entry] = []
  private var isWhole = false

  /// - Parameter earlier: what an earlier search has read of this mailbox.
  init(
    _ items: [MailboxWriter.Item], isSought: [Bool], in recipient: UserName,
    earlier: SearchedMailboxes.Window? = nil
  ) {
    self.recipient = recipient
    self.items = items
    self.hashes = items.map(\.envelope.repeatHash)
    self.isSought = isSought
    self.isKnown = Array(repeating: false, count: items.count)
    self.newest = NewestEntries(above: earlier?.entries.first?.offset)
    self.earlier = earlier
    guard let earlier else { return }
    let sought = Set(zip(self.hashes, isSought).lazy.filter { $0.1 }.map { $0.0 })
    self.places = earlier.entries.filter { sought.contains($0.hash) }.map(\.offset)
  }

  /// Whether nothing more is to be read.
  var isDone: Bool {
    (self.places.isEmpty && self.newest.left == 0)
      || !zip(self.isSought, self.isKnown).contains { $0 && !$1 }
  }

  /// What this search and the earlier ones have read; nil if this one has read nothing new.
  var window: SearchedMailboxes.Window? {
    guard !self.read.isEmpty else { return nil }
    let maximum = MessagingLimits.retryWindowEntries
    return SearchedMailboxes.Window(
      entries: Array(self.read.prefix(maximum)),
      isWhole: self.isWhole && self.read.count <= maximum)
  }

  /// What to read next, until it is done.
  func question(atMost maximum: Int) -> Question {
    guard self.places.isEmpty else { return .places(Array(self.places.prefix(maximum))) }
    return .newest(min(maximum, self.portion, self.newest.left))
  }

  /// Appends what reads the answer: one command for each place, or one for all entries.
  func append(_ question: Question, of mailbox: RedisKey, to batch: inout RedisBatch) {
    switch question {
    case .places(let offsets):
      for offset in offsets {
        batch.entries(of: mailbox, after: offset.predecessor, maximum: 1)
      }
    case .newest(let count):
      self.newest.next(count, of: mailbox, to: &batch)
    }
  }

  /// Takes what was read.
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

  /// Answers the entry's hash.
  private mutating func compare(_ entry: Mailbox.Entry) -> Int {
    guard let envelope = entry.envelope else { return 0 }
    let hash = envelope.repeatHash
    for (index, item) in self.items.enumerated()
    where self.hashes[index] == hash && !self.isKnown[index] {
      self.isKnown[index] =
        envelope.isRepeat(of: item.envelope) && envelope.origin(at: entry.offset) != item.offset
    }
    return hash
  }

  /// All that is above what the earlier search has read, or all that there is, was read.
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
