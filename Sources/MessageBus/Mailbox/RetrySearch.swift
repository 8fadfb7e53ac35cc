import ConnectProtocol

/// Looks among a mailbox's newest entries for messages that may have been sent before, a portion at a
/// time, from the newest down.
///
/// Of what was read it keeps only which messages were found: the entries themselves may be large, and
/// so many.
struct RetrySearch {
  private let items: [MailboxWriter.Item]
  /// Whether each of the items is to be looked for; the others are found by the way.
  private let isSought: [Bool]
  /// Whether each of the items stands there as another entry of the bus.
  private(set) var isKnown: [Bool]
  private(set) var newest = NewestEntries()

  init(_ items: [MailboxWriter.Item], isSought: [Bool]) {
    self.items = items
    self.isSought = isSought
    self.isKnown = Array(repeating: false, count: items.count)
  }

  /// Whether nothing more is to be read.
  var isDone: Bool {
    self.newest.left == 0 || !zip(self.isSought, self.isKnown).contains { $0 && !$1 }
  }

  /// Takes what was read.
  ///
  /// - Parameter asked: see ``NewestEntries/read(_:asked:)``.
  mutating func read(_ entries: [Mailbox.Entry], asked: Int) {
    for entry in entries {
      guard let envelope = entry.envelope else { continue }
      for (index, item) in self.items.enumerated() where !self.isKnown[index] {
        self.isKnown[index] =
          envelope.isRepeat(of: item.envelope) && envelope.origin(at: entry.offset) != item.offset
      }
    }
    self.newest.read(entries, asked: asked)
  }
}
