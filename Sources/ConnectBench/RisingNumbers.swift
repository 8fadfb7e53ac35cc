import Settings

/// Whole numbers that a benchmark goes through, each higher than the one before.
struct RisingNumbers: Hashable, Sendable {
  /// The most of them.
  static let most = 64

  let values: [Int]

  /// - Parameter values: rising.
  init(_ values: [Int]) { self.values = values }

  /// Reads `100,150,225`.
  init?(_ text: String, in range: ClosedRange<Int>) {
    let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    let values = numbers.compactMap(\.self)
    guard values.count == numbers.count, values.count <= Self.most,
      values.allSatisfy(range.contains), zip(values, values.dropFirst()).allSatisfy({ $0 < $1 })
    else { return nil }
    self.values = values
  }

  /// As it is given on a command line.
  var text: String { self.values.map(String.init).joined(separator: ",") }
}

extension ArgumentRules {
  static func risingNumbers(
    _ range: ClosedRange<Int>
  ) -> @Sendable (String) throws -> RisingNumbers {
    { text in
      try Self.value(
        RisingNumbers(text, in: range),
        "whole numbers from \(range.lowerBound) to \(range.upperBound), rising, separated by commas, and "
          + "at most \(RisingNumbers.most) of them")
    }
  }
}
