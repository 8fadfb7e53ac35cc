import ConnectProtocol
import Redis

/// A published entry without a result yet.
///
/// Of numbers only. Generic code is not specialized in other modules, and with a generic token it looked up its types
/// at run time: 8 % of a gateway's CPU time at its maximum.
struct IncomingEntry {
  let token: Int
  let sender: ObjectIdentifier?
  let isDurable: Bool
  let bytes: Int
}

/// The entries of one producer for one partition: entries under way, all in one pipeline, and
/// entries that wait for its end. See ``IncomingProducer`` for the rules.
///
/// Pure: it holds no connection.
struct IncomingQueue {
  typealias Entry = IncomingEntry

  /// Entries that go into one pipeline.
  struct Load {
    var entries: [Entry] = []
    /// One command for each of `entries`.
    var commands = RedisBatch()
    /// Whether it has several entries of one sender.
    var repeatsSender = false

    var isFull: Bool { self.entries.count >= BusLimits.entriesPerTransaction }

    mutating func add(_ entry: Entry, command: (inout RedisBatch) -> Void) {
      self.noteSender(entry.sender)
      self.entries.append(entry)
      command(&self.commands)
    }

    /// How many entries are compared with a new one, at most. Longer loads are transactions, whose
    /// two commands more are nothing to so many.
    private static var comparedEntries: Int { 16 }

    private mutating func noteSender(_ sender: ObjectIdentifier?) {
      guard let sender, !self.repeatsSender else { return }
      self.repeatsSender =
        self.entries.count > Self.comparedEntries
        || self.entries.contains { $0.sender == sender }
    }
  }

  let stream: RedisKey
  /// The next load.
  private var waiting = Load()
  /// Later loads, in order.
  private var behind: [Load] = []
  /// Whether ``becomesReady()`` returned true and the entries were not taken since.
  private var isReady = false
  private var underWay = 0
  /// Senders that have failed entries among those under way.
  private var failedSenders: Set<ObjectIdentifier> = []

  init(stream: RedisKey) { self.stream = stream }

  mutating func append(
    _ draft: Envelope.Draft, by sender: ObjectIdentifier?, isDurable: Bool, token: Int
  ) {
    let entry = Entry(token: token, sender: sender, isDurable: isDurable, bytes: draft.byteCount)
    let stream = self.stream
    self.add(entry) { $0.add(draft, to: stream) }
  }

  private mutating func add(_ entry: Entry, command: (inout RedisBatch) -> Void) {
    guard self.waiting.isFull else { return self.waiting.add(entry, command: command) }
    if self.behind.last?.isFull ?? true { self.behind.append(Load()) }
    self.behind[self.behind.count - 1].add(entry, command: command)
  }

  /// Removes and returns all waiting entries, in order.
  private mutating func takeAll() -> [Load] {
    defer {
      self.waiting = Load()
      self.behind = []
    }
    return [self.waiting] + self.behind
  }

  /// Whether entries may be sent now. True once, until ``takeLoad()`` or ``giveUp()``.
  mutating func becomesReady() -> Bool {
    guard !self.isReady, self.underWay == 0, !self.waiting.entries.isEmpty else { return false }
    self.isReady = true
    return true
  }

  /// The next entries, at most ``BusLimits/entriesPerTransaction``. They are under way from now on.
  mutating func takeLoad() -> Load {
    precondition(self.underWay == 0, "a partition has entries in one pipeline at a time")
    defer { self.waiting = self.behind.isEmpty ? Load() : self.behind.removeFirst() }
    self.isReady = false
    self.underWay = self.waiting.entries.count
    return self.waiting
  }

  /// All waiting entries. They will not be sent.
  mutating func giveUp() -> [Entry] {
    self.isReady = false
    return self.takeAll().flatMap(\.entries)
  }

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
    var withheld: [Entry] = []
    for load in self.takeAll() {
      for (index, entry) in load.entries.enumerated() {
        if let sender = entry.sender, self.failedSenders.contains(sender) {
          withheld.append(entry)
        } else {
          self.add(entry) { $0.append(index..<index + 1, of: load.commands) }
        }
      }
    }
    return withheld
  }
}
