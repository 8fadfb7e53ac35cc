import ConnectProtocol
import MessageBus
import Redis

/// How far a mailbox's newest entries were read, a portion at a time, from the newest down: no further
/// than ``MessagingLimits/retryWindowEntries``.
///
/// All of them at once, each as large as a frame, would be more than Redis, the network and our memory
/// bear, again and again.
struct NewestEntries {
  /// The next read is below this; nil for the newest.
  private(set) var below: Offset?
  /// Reads stay above this; nil for no bound.
  private(set) var above: Offset?
  /// Number of entries that may still be read.
  private(set) var left = MessagingLimits.retryWindowEntries

  /// All entries.
  init() {}

  /// Only entries above `offset`; the rest is known already.
  init(above offset: Offset?) { self.above = offset }

  /// Only entries below `offset`, at most `left`.
  init(below offset: Offset, left: Int) {
    self.below = offset
    self.left = max(0, left)
  }

  /// Appends a read of the next portion.
  func next(
    _ maximum: Int, of mailbox: RedisKey, to batch: inout RedisBatch
  ) -> Reply<[StreamEntry]> {
    batch.newestEntries(of: mailbox, below: self.below, above: self.above, maximum: maximum)
  }

  /// Takes note of what was read.
  ///
  /// - Parameter asked: how many entries were asked for; fewer are all that there are.
  mutating func read(_ entries: [Mailbox.Entry], asked: Int) {
    self.below = entries.last?.offset ?? self.below
    // Redis does not answer more than it is asked for.
    self.left = entries.count < asked ? 0 : max(0, self.left - entries.count)
  }

  /// How many entries the next portion may have: as many as were seen to fit into
  /// ``MessagingLimits/retryPortionBytes``, and at most twice as many as the last.
  static func nextPortion(after portion: Int, entries: Int, bytes: Int) -> Int {
    min(
      2 * portion, Self.fitting(MessagingLimits.retryPortionBytes, entries: entries, bytes: bytes),
      MessagingLimits.retryPortionEntries)
  }

  /// Entries that fit into `maximum` bytes if they are like those read last; at least 1.
  static func fitting(_ maximum: Int, entries: Int, bytes: Int) -> Int {
    bytes > 0 ? max(1, maximum / max(1, bytes / entries)) : Int.max
  }
}

extension [Mailbox.Entry] {
  /// The bytes of all envelopes.
  var byteCount: Int { self.reduce(0) { $0 + ($1.envelope?.bytes.count ?? 0) } }
}
