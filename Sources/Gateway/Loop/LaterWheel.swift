/// What is to be done a second later, each at its time and not all at once: positions of all connections in
/// the same moment would make every message behind them wait.
///
/// Pure: the caller turns it ``turns`` times a second.
struct LaterWheel<Element> {
  /// Turns in a second.
  static var turns: Int { 20 }

  private var slots: [[Element]] = Array(repeating: [], count: Self.turns)
  private var next = 0
  private var count = 0

  var isEmpty: Bool { self.count == 0 }

  /// Adds what is due with the last turn of a second.
  mutating func append(_ element: Element) {
    self.slots[(self.next + Self.turns - 1) % Self.turns].append(element)
    self.count += 1
  }

  /// - Returns: what is due, in the order in which it was added.
  mutating func turn() -> [Element] {
    let due = self.slots[self.next]
    self.slots[self.next] = []
    self.next = (self.next + 1) % Self.turns
    self.count -= due.count
    return due
  }
}
