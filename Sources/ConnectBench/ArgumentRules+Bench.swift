import ArgumentParser
import Settings

extension ArgumentRules {
  static func process(_ text: String) throws -> MeasuredProcess {
    try Self.value(MeasuredProcess(text), "name=pid, such as gateway=4711")
  }

  static func seed(_ text: String) throws -> UInt64 {
    try Self.value(UInt64(text), "a whole number from 0 to \(UInt64.max)")
  }

  static func minutes(_ text: String) throws -> Double {
    let most = 60.0 * 24 * 365
    return try Self.value(
      Double(text).flatMap { $0 > 0 && $0 <= most ? $0 : nil },
      "a number above 0, and at most \(Int(most))")
  }

  /// Refuses a `--window` of more messages under way than one event loop of a gateway takes.
  static func check(window: Int, _ load: LoadOptions) throws {
    let messages = window * load.connections
    let advice = "; give a smaller one, or fewer --connections"
    guard messages <= BenchLimits.messagesUnderWay else {
      throw ValidationError(
        "--window: \(load.connections) users may keep \(BenchLimits.messagesUnderWay) messages under way "
          + "together, as many as an event loop of a gateway takes" + advice)
    }
    guard messages * load.bodyBytes <= BenchLimits.bodyBytesUnderWay else {
      throw ValidationError(
        "--window: an event loop of a gateway takes bodies of \(BenchLimits.bodyBytesUnderWay) bytes together"
          + advice + ", or shorter --body-bytes")
    }
  }

  /// An even number, for things that come in pairs.
  static func evenNumber(_ range: ClosedRange<Int>) -> @Sendable (String) throws -> Int {
    { text in
      try Self.value(
        Int(text).flatMap { range.contains($0) && $0 % 2 == 0 ? $0 : nil },
        "an even number from \(range.lowerBound) to \(range.upperBound)")
    }
  }
}
