import ConnectProtocol
import Redis

/// How far a mailbox's newest entries were read, a portion at a time, from the newest down: no further
/// than ``BusLimits/retryWindowEntries``.
///
/// All of them at once, each as large as a frame, would be more than Redis, the network and our memory
/// bear, again and again.
struct NewestEntries {
  /// What is read next is below this; nil for the very newest.
  private(set) var below: Offset?
  /// How many more entries may be read.
  private(set) var left = BusLimits.retryWindowEntries

  /// Appends the read of the next portion.
  func next(_ maximum: Int, of mailbox: RedisKey, to batch: inout RedisBatch) {
    batch.newestEntries(of: mailbox, below: self.below, maximum: maximum)
  }

  /// Takes note of what was read.
  ///
  /// - Parameter asked: how many entries were asked for; fewer are all that there are.
  mutating func read(_ entries: [Mailbox.Entry], asked: Int) {
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

extension [Mailbox.Entry] {
  /// The bytes of all envelopes.
  var byteCount: Int { self.reduce(0) { $0 + ($1.envelope?.bytes.count ?? 0) } }
}
