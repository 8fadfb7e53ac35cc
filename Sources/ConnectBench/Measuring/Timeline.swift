/// How many things happened in each second after a moment, and when.
struct Timeline: Sendable {
  /// Of each second from the first on.
  private(set) var perSecond: [Int] = []
  private(set) var count = 0
  private(set) var first: Duration?
  private(set) var last: Duration?

  /// - Parameter time: since that moment.
  mutating func note(_ count: Int = 1, at time: Duration) {
    guard count > 0, time >= .zero else { return }
    let second = Int(time / .seconds(1))
    while self.perSecond.count <= second { self.perSecond.append(0) }
    self.perSecond[second] += count
    self.count += count
    self.first = min(self.first ?? time, time)
    self.last = max(self.last ?? time, time)
  }

  /// A table of what happened in each second.
  static func rows(_ title: String, of perSecond: [Int]) -> [[String]] {
    [["second", title]]
      + perSecond.enumerated().map { ["\($0.offset + 1)", "\($0.element)"] }
  }
}
