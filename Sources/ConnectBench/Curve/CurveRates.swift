/// The rates of a curve, in messages per second.
enum CurveRates {
  static let lowest = 50
  static let highest = 60_000
  /// Of a rate to the one before.
  static let factor = 1.5

  /// From the lowest to the highest.
  static let standard: RisingNumbers = {
    let all = sequence(first: Double(Self.lowest)) { $0 * Self.factor }
    let below = all.prefix { $0 < Double(Self.highest) }.map { Int($0) }
    return RisingNumbers(below + [Self.highest])
  }()
}
