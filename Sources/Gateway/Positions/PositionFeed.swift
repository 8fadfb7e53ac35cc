import ConnectProtocol
import MessageBus

/// Decides which rows of its user's positions a connection is told.
///
/// A connection remembers the stamp that it told last. A row whose stamp follows that is told at once; any
/// other makes it read the rows above what it told. So nothing is missed, whatever became of a push: it
/// compares the highest stamp with each ping, too.
///
/// Pure.
struct PositionFeed {
  enum State: Hashable {
    /// All rows that are known of were told. May become `.behind`.
    case current
    /// Rows were not told. They are read as soon as the socket takes more. May become `.reading`.
    case behind
    /// Rows are being read. `missed` is the highest stamp heard of meanwhile. May become `.telling` or
    /// `.behind`.
    case reading(missed: UInt64)
    /// Rows were read, and are told as far as the socket takes them. `missed` is as above. May become
    /// `.current` or `.behind`.
    case telling(missed: UInt64)
  }

  /// A row to tell.
  struct Told {
    let peer: UserName
    let row: Positions.Row
    let floor: Offset
  }

  private(set) var state = State.current
  /// All rows up to this stamp were told.
  private(set) var told: UInt64
  /// Whether it was ever current.
  private(set) var hasCaughtUp = true
  /// The rows that were read and have yet to be told, the highest stamp first.
  private var rest: [(peer: UserName, row: Positions.Row)] = []
  /// The floor and the highest stamp when they were read.
  private var floor = Offset.zero
  private var top: UInt64 = 0

  /// A feed behind `stamp`, which the client says that it has, of positions whose highest stamp is `top`.
  ///
  /// One above the top is of other positions, before a loss or an erasure: all rows are told.
  ///
  /// - Parameter stamp: nil for a client that wants only what comes.
  init(after stamp: UInt64?, top: UInt64) {
    let stamp = stamp ?? top
    self.told = stamp > top ? 0 : stamp
    guard self.told != top else { return }
    self.state = .behind
    self.hasCaughtUp = false
  }

  /// The stamp up to which all rows were told, if that is all there is to know: a feed behind it, of
  /// positions whose highest stamp it is, is the same. Nil if rows are to be told.
  var stampAtRest: UInt64? { self.state == .current ? self.told : nil }

  enum Action: Hashable {
    case tell
    case none
    /// Call ``read(canWrite:)``.
    case read
  }

  /// A row has moved.
  ///
  /// - Parameter previous: the highest stamp before it.
  mutating func moved(_ stamp: UInt64, after previous: UInt64, canWrite: Bool) -> Action {
    guard stamp > self.told else { return .none }
    if self.state == .current, previous == self.told, canWrite {
      self.told = stamp
      return .tell
    }
    return self.heard(of: stamp)
  }

  /// The highest stamp was looked up.
  mutating func compared(with top: UInt64) -> Action {
    top > self.told ? self.heard(of: top) : .none
  }

  private mutating func heard(of stamp: UInt64) -> Action {
    switch self.state {
    case .reading(let missed): self.state = .reading(missed: max(missed, stamp))
    case .telling(let missed): self.state = .telling(missed: max(missed, stamp))
    case .current, .behind:
      self.state = .behind
      return .read
    }
    return .none
  }

  /// Whether to read the rows now. Then call ``arrived(_:)`` or ``failed()``.
  mutating func read(canWrite: Bool) -> Bool {
    guard self.state == .behind, canWrite else { return false }
    self.state = .reading(missed: 0)
    return true
  }

  /// The rows were read. Call ``next(canWrite:)`` until it has none.
  mutating func arrived(_ table: Positions.Table) {
    guard case .reading(let missed) = self.state else { return }
    self.rest = table.rows.filter { $0.row.stamp > self.told }
      .sorted { $0.row.stamp > $1.row.stamp }
    self.floor = table.summary.floor
    self.top = table.summary.top
    self.state = .telling(missed: missed)
    self.endIfTold()
  }

  /// The next of the rows that were read, in the order of their stamps.
  ///
  /// - Returns: nil if the socket takes no more, or if all are told: then ``state`` is another.
  mutating func next(canWrite: Bool) -> Told? {
    guard canWrite, let next = self.rest.popLast() else { return nil }
    self.told = next.row.stamp
    self.endIfTold()
    return Told(peer: next.peer, row: next.row, floor: self.floor)
  }

  private mutating func endIfTold() {
    guard case .telling(let missed) = self.state, self.rest.isEmpty else { return }
    // An idle connection holds no memory for what it was told.
    self.rest = []
    self.told = max(self.told, self.top)
    self.state = missed <= self.told ? .current : .behind
    if self.state == .current { self.hasCaughtUp = true }
  }

  /// The rows could not be read.
  mutating func failed() {
    if case .reading = self.state { self.state = .behind }
  }
}
