import ConnectProtocol
import Redis

/// An entry that was published and has no result yet.
struct IncomingEntry<Token> {
  let token: Token
  let sender: ObjectIdentifier?
  let isDurable: Bool
  let bytes: Int
}

/// What one producer has for one partition: entries under way, all in one pipeline, and entries that
/// wait for its end. See ``IncomingProducer`` for the rules.
///
/// Pure: it holds no connection.
struct IncomingQueue<Token> {
  typealias Entry = IncomingEntry<Token>

  /// Entries that go into one pipeline.
  struct Load {
    var entries: [Entry] = []
    /// One for each of `entries`.
    var commands = RedisBatch()
    /// Whether a sender has several of them.
    var repeatsSender = false

    /// How many entries are compared with a new one, at most. Longer loads are transactions, whose
    /// two commands more are nothing to so many.
    private static var comparedEntries: Int { 16 }

    mutating func noteSender(_ sender: ObjectIdentifier?) {
      guard let sender, !self.repeatsSender else { return }
      self.repeatsSender =
        self.entries.count > Self.comparedEntries
        || self.entries.contains { $0.sender == sender }
    }
  }

  let stream: RedisKey
  private var waiting = Load()
  /// Whether ``becomesReady()`` was answered with yes, and the entries were not taken since.
  private var isReady = false
  private var underWay = 0
  /// Whose entries have failed among those under way.
  private var failedSenders: Set<ObjectIdentifier> = []

  init(stream: RedisKey) { self.stream = stream }

  mutating func append(
    _ draft: Envelope.Draft, by sender: ObjectIdentifier?, isDurable: Bool, token: Token
  ) {
    self.waiting.noteSender(sender)
    self.waiting.entries.append(
      Entry(token: token, sender: sender, isDurable: isDurable, bytes: draft.byteCount))
    self.waiting.commands.add(draft, to: self.stream)
  }

  /// Whether there is something that may be sent now. Yes once, until ``send()`` or ``giveUp()``.
  mutating func becomesReady() -> Bool {
    guard !self.isReady, self.underWay == 0, !self.waiting.entries.isEmpty else { return false }
    self.isReady = true
    return true
  }

  /// All that waits, which is under way from now on.
  mutating func send() -> Load {
    precondition(self.underWay == 0, "a partition has entries in one pipeline at a time")
    defer { self.waiting = Load() }
    self.isReady = false
    self.underWay = self.waiting.entries.count
    return self.waiting
  }

  /// All that waits, which will not be sent.
  mutating func giveUp() -> [Entry] {
    defer { self.waiting = Load() }
    self.isReady = false
    return self.waiting.entries
  }

  /// An entry under way has failed.
  mutating func failed(_ entry: Entry) {
    if let sender = entry.sender { self.failedSenders.insert(sender) }
  }

  /// So many entries under way have their results.
  ///
  /// - Returns: what fails with them, since its senders had some that failed; nil while others are
  ///   under way.
  mutating func settled(_ count: Int) -> [Entry]? {
    self.underWay -= count
    guard self.underWay == 0 else { return nil }
    guard !self.failedSenders.isEmpty else { return [] }
    defer { self.failedSenders = [] }
    let all = self.waiting
    self.waiting = Load()
    var withheld: [Entry] = []
    for (index, entry) in all.entries.enumerated() {
      if let sender = entry.sender, self.failedSenders.contains(sender) {
        withheld.append(entry)
      } else {
        self.waiting.noteSender(entry.sender)
        self.waiting.entries.append(entry)
        self.waiting.commands.append(index..<index + 1, of: all.commands)
      }
    }
    return withheld
  }
}
