import Foundation

/// A logarithmic axis, and the ticks 1, 2 and 5 of each power of ten on it.
struct LogAxis {
  let lowest: Double
  let highest: Double
  /// Where these two are, in pixels.
  let start: Double
  let end: Double

  /// An axis from the last tick below all values to the first one above.
  ///
  /// - Parameter values: those of 0 and less have no place on it.
  init(_ values: [Double], from start: Double, to end: Double) {
    let positive = values.filter { $0 > 0 }
    self.lowest = Self.tick(atMost: positive.min() ?? 1)
    let highest = Self.tick(atLeast: positive.max() ?? 10)
    self.highest = highest > self.lowest ? highest : Self.tick(atLeast: self.lowest * 1.01)
    self.start = start
    self.end = end
  }

  /// Nil for what has no place on a logarithmic axis.
  func position(_ value: Double) -> Double? {
    guard value > 0 else { return nil }
    let share = log(value / self.lowest) / log(self.highest / self.lowest)
    return self.start + share * (self.end - self.start)
  }

  var ticks: [Double] {
    var ticks: [Double] = []
    var tick = self.lowest
    // A hair more, for what is rounded.
    while tick <= self.highest * 1.001 {
      ticks.append(tick)
      tick = Self.tick(atLeast: tick * 1.01)
    }
    return ticks
  }

  /// A number as at a tick: `50`, `1,000` or `0.5`.
  static func label(_ value: Double) -> String {
    if value < 1 {
      let places = Int((-log10(value)).rounded(.up))
      return String(format: "%.\(places)f", value)
    }
    var digits = String(Int(value.rounded()))
    var groups: [String] = []
    while digits.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    return ([digits] + groups).joined(separator: ",")
  }

  private static let steps = [1.0, 2, 5, 10]

  private static func tick(atLeast value: Double) -> Double {
    let power = pow(10, floor(log10(value)))
    return self.steps.map { $0 * power }.first { $0 >= value * 0.999_999 } ?? 10 * power
  }

  private static func tick(atMost value: Double) -> Double {
    let power = pow(10, floor(log10(value)))
    return self.steps.map { $0 * power }.last { $0 <= value * 1.000_001 } ?? power
  }
}
