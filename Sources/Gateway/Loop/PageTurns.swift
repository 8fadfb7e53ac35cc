import DequeModule
import NIOCore

/// Which reads of mailboxes an event loop begins when: a bounded number at a time, in the order in which
/// they came.
///
/// Lists and history have turns of their own, and few, above all for pages that are not small. A request may
/// need many, one after the other, and each waits behind those of all other requests. So however many clients
/// ask, messages wait for few of their pages, and clients that replay their mailboxes for none. Nor do those
/// who ask for a list now and then wait for those who ask all the time.
///
/// Pure: times are the caller's.
struct PageTurns<Read> {
  enum Kind: Hashable {
    /// What a connection needs to deliver messages and positions.
    case delivery
    /// A small page of a list or of history: the first, which is often the only one.
    case small
    /// Any other page of a list or of history.
    case large
    /// Such a page of a user who has read many lately; see ``UserBudget/takeLargePage(now:)``.
    case extra

    /// For how many times as long again as it took a page with an answer keeps its turn.
    var rest: Int64 {
      switch self {
      case .delivery, .small: 0
      case .large: GatewayLimits.largePageRest
      case .extra: GatewayLimits.extraPageRest
      }
    }
  }

  /// A read's right to be under way.
  struct Turn: Hashable {
    let kind: Kind
    fileprivate let number: Int

    /// How long it is kept after an answer that took so long.
    func rest(after took: TimeAmount) -> TimeAmount {
      .nanoseconds(took.nanoseconds * self.kind.rest)
    }
  }

  private struct Queue {
    let kind: Kind
    let maximum: Int
    var waiting = Deque<Read>()
    private var begun = 0
    /// When each began that has its turn and no answer.
    private(set) var unanswered: [Int: NIODeadline] = [:]
    /// Those that have an answer, and keep their turn.
    private var resting: Set<Int> = []
    /// Those that have neither answer nor turn any more.
    private var overdue: Set<Int> = []

    init(_ kind: Kind, maximum: Int) {
      self.kind = kind
      self.maximum = maximum
    }

    var hasNext: Bool {
      !self.waiting.isEmpty && self.unanswered.count + self.resting.count < self.maximum
        && self.overdue.count < GatewayLimits.overdueRequestPages
    }

    mutating func next(now: NIODeadline) -> (read: Read, turn: Turn)? {
      guard self.hasNext, let read = self.waiting.popFirst() else { return nil }
      self.begun += 1
      self.unanswered[self.begun] = now
      return (read, Turn(kind: self.kind, number: self.begun))
    }

    mutating func answered(_ turn: Turn) -> Bool {
      guard self.unanswered.removeValue(forKey: turn.number) != nil else {
        self.overdue.remove(turn.number)
        return false
      }
      guard self.kind.rest > 0 else { return false }
      self.resting.insert(turn.number)
      return true
    }

    mutating func end(_ turn: Turn) { self.resting.remove(turn.number) }

    mutating func endUnanswered(since time: NIODeadline) {
      for (number, began) in self.unanswered where began <= time {
        self.unanswered[number] = nil
        self.overdue.insert(number)
      }
    }
  }

  private var deliveries = Queue(.delivery, maximum: GatewayLimits.concurrentPages)
  private var small = Queue(.small, maximum: GatewayLimits.concurrentSmallRequestPages)
  private var large = Queue(.large, maximum: GatewayLimits.concurrentRequestPages)
  private var extra = Queue(.extra, maximum: GatewayLimits.concurrentRequestPages)

  mutating func append(_ read: Read, _ kind: Kind) {
    self.with(kind) { $0.waiting.append(read) }
  }

  /// Whether ``next(now:)`` has one.
  var hasNext: Bool {
    self.deliveries.hasNext || self.small.hasNext || self.large.hasNext || self.extra.hasNext
  }

  /// The read to begin; nil if there is none, or none may begin before the turn of another has ended.
  mutating func next(now: NIODeadline) -> (read: Read, turn: Turn)? {
    self.deliveries.next(now: now) ?? self.small.next(now: now) ?? self.large.next(now: now)
      ?? self.extra.next(now: now)
  }

  /// A read has its answer, or needs none any more.
  ///
  /// - Returns: whether it keeps its turn until ``end(_:)``. Else another read may have it.
  mutating func answered(_ turn: Turn) -> Bool { self.with(turn.kind) { $0.answered(turn) } }

  /// A read that has its answer gives its turn to another.
  mutating func end(_ turn: Turn) { self.with(turn.kind) { $0.end(turn) } }

  /// Whether a list or history has a turn and no answer.
  var hasUnansweredRequest: Bool {
    !self.small.unanswered.isEmpty || !self.large.unanswered.isEmpty
      || !self.extra.unanswered.isEmpty
  }

  /// Ends the turns of lists and history that began at this time or earlier and have no answer.
  mutating func endUnansweredRequests(since time: NIODeadline) {
    self.small.endUnanswered(since: time)
    self.large.endUnanswered(since: time)
    self.extra.endUnanswered(since: time)
  }

  private mutating func with<Result>(_ kind: Kind, _ body: (inout Queue) -> Result) -> Result {
    switch kind {
    case .delivery: body(&self.deliveries)
    case .small: body(&self.small)
    case .large: body(&self.large)
    case .extra: body(&self.extra)
    }
  }
}
