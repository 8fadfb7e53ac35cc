import Foundation

/// Amounts in people's notation.
enum Quantity {
  /// For a cell without a value.
  static let none = "–"

  /// A duration in its largest unit: `250 ms`, `8.2 s`, `42 s`, `12 min`, `5 h`, `3 d`.
  static func span(milliseconds: Int?) -> String {
    guard let milliseconds else { return self.none }
    switch milliseconds {
    case ..<1_000: return "\(max(milliseconds, 0)) ms"
    case ..<10_000: return "\(milliseconds / 1_000).\(milliseconds / 100 % 10) s"
    case ..<120_000: return "\(milliseconds / 1_000) s"
    case ..<7_200_000: return "\(milliseconds / 60_000) min"
    case ..<172_800_000: return "\(milliseconds / 3_600_000) h"
    default: return "\(milliseconds / 86_400_000) d"
    }
  }

  /// A time of seconds, of which others may have written any number, in milliseconds: never less than
  /// 0, and the largest number that there is for what does not fit.
  static func milliseconds(seconds: Int) -> Int {
    let (milliseconds, overflow) = max(seconds, 0).multipliedReportingOverflow(by: 1_000)
    return overflow ? .max : milliseconds
  }

  /// Time since `time`, in milliseconds since 1970.
  static func age(of time: UInt64?, at now: UInt64) -> String {
    self.span(milliseconds: time.map { $0 < now ? Int(clamping: now - $0) : 0 })
  }

  /// Memory: `512 B`, `3.4 KiB`, `1.2 GiB`.
  static func bytes(_ count: Int) -> String {
    var value = Double(count)
    var units = ["B", "KiB", "MiB", "GiB"][...]
    while value >= 1_024, units.count > 1 {
      value /= 1_024
      units = units.dropFirst()
    }
    let isWhole = units.startIndex == 0
    return (isWhole ? "\(count)" : String(format: "%.1f", value)) + " \(units.first ?? "")"
  }

  /// `1 gateway`, `2 gateways`.
  static func count(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
  }
}

/// JSON for programs: keys sorted, so that two runs can be compared.
enum JSONText {
  static func of(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    // Reports hold nothing that JSON cannot say.
    guard let data = try? encoder.encode(value) else { preconditionFailure("not JSON: \(value)") }
    return String(decoding: data, as: UTF8.self) + "\n"
  }
}
