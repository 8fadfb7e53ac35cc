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
  /// What is read next is below this; nil for the very newest.
  private(set) var below: Offset?
  /// How many more entries may be read.
  private(set) var left = BusLimits.retryWindowEntries

  init(_ items: [MailboxWriter.Item], isSought: [Bool]) {
    self.items = items
    self.isSought = isSought
    self.isKnown = Array(repeating: false, count: items.count)
  }

  /// Whether nothing more is to be read.
  var isDone: Bool { self.left == 0 || !zip(self.isSought, self.isKnown).contains { $0 && !$1 } }

  /// Takes what was read.
  ///
  /// - Parameter asked: how many entries were asked for; fewer are all that there are.
  mutating func read(_ entries: [Mailbox.Entry], asked: Int) {
    for entry in entries {
      guard let envelope = entry.envelope else { continue }
      for (index, item) in self.items.enumerated() where !self.isKnown[index] {
        self.isKnown[index] =
          envelope.isRepeat(of: item.envelope) && envelope.origin(at: entry.offset) != item.offset
      }
    }
    self.below = entries.last?.offset ?? self.below
    self.left = entries.count < asked ? 0 : self.left - entries.count
  }

  /// How many entries the next portion may have, over all mailboxes: as many as were seen to fit into
  /// ``BusLimits/retryPortionBytes``, and at most twice as many as the last.
  static func nextPortion(after portion: Int, entries: Int, bytes: Int) -> Int {
    let fitting =
      bytes > 0 ? max(1, BusLimits.retryPortionBytes / max(1, bytes / entries)) : Int.max
    return min(2 * portion, fitting, BusLimits.retryPortionEntries)
  }
}
