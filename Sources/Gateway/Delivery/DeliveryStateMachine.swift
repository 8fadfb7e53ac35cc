import ConnectProtocol
import DequeModule

/// Decides what one connection is sent, and when the mailbox must be read.
///
/// The mailbox is the queue: nothing waits here. A connection remembers the last offset that it was
/// sent. A push that continues there is sent at once; any other makes the connection fall *behind*,
/// and it reads the mailbox from its last offset until it has caught up. Reconnecting, replaying and
/// recovering from whatever was lost are all that one path.
///
/// Pure: the handler asks, carries out, and tells what came of it.
struct DeliveryStateMachine {
  enum State: Hashable {
    /// All known messages of the mailbox were sent. May become `.behind`.
    case current
    /// Something may be in the mailbox that was not sent. It is read as soon as the socket takes more
    /// and the client has acked enough. May become `.paging`.
    case behind
    /// The mailbox is being read. `missed` is the highest offset that was pushed meanwhile. May become
    /// `.current` or `.behind`.
    case paging(maximum: Int, missed: Offset)
  }

  /// A message that was sent and not acked, with the sender who is to be told of its ack.
  struct Unacked {
    var offset: Offset
    var receipt: UserName?
  }

  private(set) var state = State.behind
  /// The last offset that was sent, or that the client claims to have.
  private(set) var last: Offset
  /// Everything up to this offset was acked.
  private(set) var acked: Offset
  private var unacked = Deque<Unacked>()
  private let window: Int
  private var reported: Offset
  private var pageSize = PageSize()
  private var isLive = false

  /// - Parameters:
  ///   - start: replay begins after it.
  ///   - window: how many messages may be unacked.
  ///   - reported: the senders of all up to here were told. A client may ask for it again; they need not
  ///     hear of it again.
  init(start: Offset, window: Int, reported: Offset = .zero) {
    precondition(window > 0)
    self.reported = reported
    self.last = start
    self.acked = start
    self.window = window
  }

  var unackedCount: Int { self.unacked.count }

  /// All that a machine knows that has sent everything, and of which everything was acked.
  struct Rest: Hashable {
    var last = Offset.zero
    var acked = Offset.zero
  }

  /// Nil if there is something to do, or if the client has not caught up yet.
  var rest: Rest? {
    guard self.state == .current, self.isLive, self.unacked.isEmpty, self.pageSize == PageSize()
    else { return nil }
    return Rest(last: self.last, acked: self.acked)
  }

  /// The machine that was at rest.
  ///
  /// - Parameter reported: the senders of all up to here were told.
  init(after rest: Rest, window: Int, reported: Offset) {
    self.init(start: rest.last, window: window, reported: reported)
    self.acked = rest.acked
    self.state = .current
    self.isLive = true
  }

  enum PushAction: Hashable {
    /// Send it, then call `sent`.
    case send
    /// It was sent already, or the client claims to have it.
    case skip
    /// Drop the push: the mailbox will be read instead. Call `nextPage`.
    case fallBehind
  }

  /// A message was pushed.
  ///
  /// - Parameter previous: the offset before it in the mailbox; zero when that is not known.
  mutating func pushed(previous: Offset, offset: Offset, canWrite: Bool) -> PushAction {
    guard offset > self.last else { return .skip }
    switch self.state {
    case .current:
      if previous != .zero, previous <= self.last, canWrite, self.unacked.count < self.window {
        return .send
      }
      self.state = .behind
    case .behind:
      break
    case .paging(let maximum, let missed):
      self.state = .paging(maximum: maximum, missed: max(missed, offset))
    }
    return .fallBehind
  }

  /// Call it after writing a message to the socket.
  mutating func sent(_ offset: Offset, receipt: UserName?) {
    precondition(offset > self.last, "messages are sent in the order of the mailbox")
    self.last = offset
    self.unacked.append(
      Unacked(offset: offset, receipt: offset > self.reported ? receipt : nil))
  }

  /// Call it after skipping an entry that this release cannot read.
  mutating func skipped(_ offset: Offset) { self.last = max(self.last, offset) }

  func mayWrite(canWrite: Bool) -> Bool { canWrite && self.unacked.count < self.window }

  /// The read of the mailbox that is due, if one is.
  ///
  /// - Returns: how many entries to read after ``last``.
  mutating func nextPage(canWrite: Bool) -> Int? {
    guard case .behind = self.state, self.mayWrite(canWrite: canWrite) else { return nil }
    let maximum = min(self.pageSize.entries, self.window - self.unacked.count)
    self.state = .paging(maximum: maximum, missed: .zero)
    return maximum
  }

  enum PageAction: Hashable {
    case none
    /// Everything was sent for the first time: send `live`.
    case live(Offset)
    /// There is more. Call `nextPage`.
    case more
  }

  /// A page was read and written as far as the socket and the window allowed.
  ///
  /// - Parameters:
  ///   - entries: how many it had.
  ///   - isComplete: whether all of them were written.
  mutating func pageEnded(entries: Int, isComplete: Bool) -> PageAction {
    guard case .paging(let maximum, let missed) = self.state else { return .none }
    guard isComplete else {
      // What was read and not written is read again: less at a time, then.
      self.pageSize.shrink()
      self.state = .behind
      return .none
    }
    if entries >= maximum {
      self.pageSize.grow()
      self.state = .behind
      return .more
    }
    self.pageSize = PageSize()
    if missed > self.last {
      self.state = .behind
      return .more
    }
    self.state = .current
    if self.isLive { return .none }
    self.isLive = true
    return .live(self.last)
  }

  /// A page could not be read. It is tried again when `nextPage` is asked later, with fewer entries:
  /// they may be more bytes than a reply may have.
  mutating func pageFailed() {
    guard case .paging = self.state else { return }
    self.pageSize.shrink()
    self.state = .behind
  }

  /// Has the mailbox be read, since a push may have been lost.
  mutating func recheckMailbox() {
    if case .current = self.state { self.state = .behind }
  }

  /// The client has handled all up to `offset`.
  ///
  /// A message that was never sent cannot have been handled: an offset above the last one counts as
  /// the last one.
  ///
  /// - Returns: those whose senders are to be told now; nil if nothing is new.
  mutating func ack(_ offset: Offset) -> [PositionOutbox.Message]? {
    let offset = min(offset, self.last)
    guard offset > self.acked else { return nil }
    self.acked = offset
    var messages: [PositionOutbox.Message] = []
    while let first = self.unacked.first, first.offset <= offset {
      if let peer = first.receipt, first.offset > self.reported {
        messages.append(PositionOutbox.Message(peer: peer, offset: first.offset))
      }
      self.unacked.removeFirst()
    }
    // An idle connection holds no memory for what it once had unacked.
    if self.unacked.isEmpty { self.unacked = Deque() }
    return messages
  }

  /// The senders of all up to `offset` were told, perhaps by another device.
  mutating func reported(to offset: Offset) { self.reported = max(self.reported, offset) }

  /// The highest message of `peer` up to `offset` that waits for its ack and asks for a receipt.
  func unackedReceipt(of peer: UserName, through offset: Offset) -> Offset? {
    self.unacked.last {
      $0.offset <= offset && $0.offset > self.reported && $0.receipt == peer
    }?.offset
  }
}
