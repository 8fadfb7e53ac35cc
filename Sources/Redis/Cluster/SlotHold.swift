import DequeModule

/// Commands that wait because one of their slot must be sent again: that command, and all of the
/// slot that came after it, in the order in which they were submitted.
///
/// A node executes commands in the order in which they come, but answers a redirect while it
/// executes those behind. So from the first redirect on, no more of that slot is sent; once all that
/// was under way is answered, what is held goes out in order, a round at a time.
///
/// Pure; `Request` is whatever the caller wants back.
struct SlotHold<Request> {
  /// Node that gets a command.
  enum Target: Equatable {
    case owner
    /// A node that already has the key, but not yet the slot.
    case asking(RedisAddress)
  }

  /// One command, or all commands of a transaction.
  struct Unit {
    let request: Request
    /// Position of the request in the order of submission.
    let order: UInt64
    /// Its commands, as positions in the request's batch.
    let commands: Range<Int>
    let key: [UInt8]?
    /// See ``RedisBatch/Command/isRepeatable``.
    let isRepeatable: Bool
    var target = Target.owner
    /// Number of failed attempts.
    var attempts = 0
    /// Answers to the last attempt; nil if there was none.
    var answers: [RedisReplies.Answer]?

    func isBefore(_ other: Self) -> Bool {
      (self.order, self.commands.lowerBound) < (other.order, other.commands.lowerBound)
    }
  }

  enum Phase: Equatable {
    /// Waits for the answers to all earlier batches of a node. Becomes `.ready`.
    case draining
    /// The next round may be sent. Becomes `.underWay`.
    case ready
    /// A round was sent. Becomes `.ready` or `.pausing`.
    case underWay
    /// Waits until another attempt is worthwhile. Becomes `.ready`.
    case pausing
  }

  var phase: Phase
  private(set) var units = Deque<Unit>()

  init(_ phase: Phase) { self.phase = phase }

  /// Holds a unit, in its place in the order.
  mutating func insert(_ unit: Unit) {
    var place = self.units.endIndex
    while place > self.units.startIndex, unit.isBefore(self.units[place - 1]) { place -= 1 }
    self.units.insert(unit, at: place)
  }

  enum Outcome {
    /// Its answer stands, and the units given are not to be sent any more: they are of the same key,
    /// and would come after what they were submitted before.
    case settled(overtaken: [Unit])
    /// The unit must be repeated with those before it, and is held.
    case held
  }

  /// Handles a unit that was executed, or may have been.
  mutating func executed(_ unit: Unit) -> Outcome {
    guard let first = self.units.first, first.isBefore(unit) else {
      return .settled(overtaken: [])
    }
    if unit.isRepeatable {
      self.insert(unit)
      return .held
    }
    var overtaken: [Unit] = []
    self.units.removeAll { held in
      guard held.isBefore(unit), held.key == unit.key, !held.isRepeatable else { return false }
      overtaken.append(held)
      return true
    }
    return .settled(overtaken: overtaken)
  }

  /// The units of the next round: the first one, and those behind it as far as the same node is to have them.
  ///
  /// - Parameter fits: whether a unit may go with the first one.
  mutating func takeRound(_ fits: (_ first: Unit, Unit) -> Bool) -> [Unit] {
    guard let first = self.units.popFirst() else { return [] }
    var round = [first]
    while let unit = self.units.first, unit.target == first.target, fits(first, unit) {
      round.append(unit)
      self.units.removeFirst()
    }
    return round
  }

  mutating func takeAll() -> [Unit] {
    defer { self.units.removeAll() }
    return Array(self.units)
  }
}
