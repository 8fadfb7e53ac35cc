import ConnectProtocol
import DequeModule

/// What the user has read, in the order in which the client has said it, until it is known how far that
/// goes and whether the peer has a row for it.
///
/// A client may know of messages that were not sent on its connection: from another device, from a list,
/// from before. What it says of these is looked up in the mailbox: one read at a time, a small page at a
/// time. What comes behind it waits.
///
/// Pure.
struct ReadQueue {
  /// What the mailbox is to be asked.
  enum Look: Hashable {
    /// Its highest offset: nobody has read further.
    case top
    /// Its newest entries between two offsets, excluding both.
    case entries(below: Offset, above: Offset, maximum: Int)
  }

  enum Step: Hashable {
    /// Ask, and call ``topArrived(_:)``, ``entriesArrived(_:)`` or ``failed()``.
    case look(Look)
    /// Tell and store it.
    ///
    /// - Parameter delivered: the highest message of the peer, among those that were looked at, that
    ///   asks for a receipt.
    case take(ClientFrame.Read, delivered: Offset?)
  }

  private var waiting = Deque<ClientFrame.Read>()
  /// What is being asked for the first of them.
  private var look: Look?
  /// The entries that a look for the first is about lie above this offset.
  private var above = Offset.zero
  /// How many entries were looked at for the first.
  private var examined = 0
  /// Their bytes.
  private var examinedBytes = 0

  var count: Int { self.waiting.count }

  var isAtRest: Bool { self.waiting.isEmpty && self.look == nil }

  mutating func append(_ read: ClientFrame.Read) { self.waiting.append(read) }

  /// What is to be done for the first, if nothing is under way for it.
  ///
  /// - Parameters:
  ///   - last: the last message that was sent on the connection.
  ///   - noted: the senders of all messages up to here were told that they are delivered.
  mutating func next(last: Offset, noted: Offset) -> Step? {
    guard self.look == nil, let read = self.waiting.first else { return nil }
    guard read.offset > last else { return self.takeFirst(delivered: nil) }
    self.above = max(last, noted)
    self.examined = 0
    self.examinedBytes = 0
    return self.begin(.top)
  }

  /// The highest offset of the mailbox was looked up.
  mutating func topArrived(_ top: Offset) -> Step? {
    guard self.look != nil else { return nil }
    self.waiting[0].offset = min(self.waiting[0].offset, top)
    return self.lookBelow(self.waiting[0].offset.successor, GatewayLimits.firstLookEntries)
  }

  /// An entry of the mailbox.
  struct Entry: Hashable {
    let offset: Offset
    let bytes: Int
    /// The sender, if it asks for a receipt.
    let receiptFor: UserName?
  }

  /// Entries of the mailbox were looked up, newest first.
  mutating func entriesArrived(_ entries: [Entry]) -> Step? {
    guard case .entries(_, _, let maximum) = self.look, let read = self.waiting.first else {
      return nil
    }
    self.examined += entries.count
    self.examinedBytes += entries.reduce(0) { $0 + $1.bytes }
    let receipt = entries.first { $0.receiptFor == read.peer }
    guard receipt == nil, entries.count >= maximum, let lowest = entries.last else {
      return self.takeFirst(delivered: receipt?.offset)
    }
    return self.lookBelow(lowest.offset, min(maximum * 2, GatewayLimits.lookEntries))
  }

  private mutating func lookBelow(_ below: Offset, _ pageEntries: Int) -> Step? {
    let maximum = min(pageEntries, GatewayLimits.examinedEntries - self.examined)
    guard let read = self.waiting.first, !read.isPrivate, maximum > 0,
      self.examinedBytes < GatewayLimits.examinedBytes, below > self.above.successor
    else { return self.takeFirst(delivered: nil) }
    return self.begin(.entries(below: below, above: self.above, maximum: maximum))
  }

  private mutating func begin(_ look: Look) -> Step {
    self.look = look
    return .look(look)
  }

  private mutating func takeFirst(delivered: Offset?) -> Step? {
    self.removeFirst().map { .take($0, delivered: delivered) }
  }

  private mutating func removeFirst() -> ClientFrame.Read? {
    self.look = nil
    let first = self.waiting.popFirst()
    // An idle connection holds no memory for what its client once said.
    if self.waiting.isEmpty { self.waiting = Deque() }
    return first
  }

  /// The mailbox did not answer.
  ///
  /// - Returns: the read that it was asked for, to be refused.
  mutating func failed() -> ClientFrame.Read? {
    self.look == nil ? nil : self.removeFirst()
  }

  /// The user is erased: nothing is told or stored of what waits.
  mutating func erase() {
    self.waiting = Deque()
    self.look = nil
  }
}
