import DequeModule
import NIOCore

/// Which reads of mailboxes an event loop begins when: a bounded number at a time, in the order in which
/// they came.
///
/// Lists and history have turns of their own, and few. A request may need many pages, one after the
/// other, and each waits behind those of all other requests. So however many clients ask, messages wait for
/// few of their pages, clients that replay their mailboxes for none, and a request that needs one page for
/// one page of each of the others.
///
/// Pure: times are the caller's.
struct PageTurns<Read> {
  enum Kind: Hashable {
    /// What a connection needs to deliver messages and positions.
    case delivery
    /// A page of a list or of history.
    case request
  }

  /// A read's right to be under way.
  struct Turn: Hashable {
    let kind: Kind
    fileprivate let number: Int
  }

  private struct Line {
    let kind: Kind
    let maximum: Int
    var waiting = Deque<Read>()
    private var begun = 0
    /// When each began.
    private(set) var underWay: [Int: NIODeadline] = [:]

    init(_ kind: Kind, maximum: Int) {
      self.kind = kind
      self.maximum = maximum
    }

    var hasNext: Bool { !self.waiting.isEmpty && self.underWay.count < self.maximum }

    mutating func next(now: NIODeadline) -> (read: Read, turn: Turn)? {
      guard self.hasNext, let read = self.waiting.popFirst() else { return nil }
      self.begun += 1
      self.underWay[self.begun] = now
      return (read, Turn(kind: self.kind, number: self.begun))
    }

    mutating func end(_ turn: Turn) { self.underWay[turn.number] = nil }

    mutating func endTurns(since time: NIODeadline) {
      self.underWay = self.underWay.filter { $0.value > time }
    }
  }

  private var deliveries = Line(.delivery, maximum: GatewayLimits.concurrentPages)
  private var requests = Line(.request, maximum: GatewayLimits.concurrentRequestPages)

  mutating func append(_ read: Read, _ kind: Kind) {
    switch kind {
    case .delivery: self.deliveries.waiting.append(read)
    case .request: self.requests.waiting.append(read)
    }
  }

  /// Whether ``next(now:)`` has one.
  var hasNext: Bool { self.deliveries.hasNext || self.requests.hasNext }

  /// The read to begin; nil if there is none, or none may begin before the turn of another has ended.
  mutating func next(now: NIODeadline) -> (read: Read, turn: Turn)? {
    self.deliveries.next(now: now) ?? self.requests.next(now: now)
  }

  /// Another read may have the turn. Idempotent.
  mutating func end(_ turn: Turn) {
    switch turn.kind {
    case .delivery: self.deliveries.end(turn)
    case .request: self.requests.end(turn)
    }
  }

  /// Whether a list or history has a turn.
  var hasRequestUnderWay: Bool { !self.requests.underWay.isEmpty }

  /// Ends the turns of lists and history that began at this time or earlier.
  mutating func endRequests(since time: NIODeadline) { self.requests.endTurns(since: time) }
}
