import ConnectClient
import ConnectProtocol
import MessageBus

/// What arguments may be. The parser names the value and the option of one that breaks its rule, and
/// says the rule behind them.
///
/// Arguments are read by these, not by `ExpressibleByArgument`, which has no words for a refusal.
enum ArgumentRules {
  /// The rule that was broken, in words that complete "The value … is invalid for …: ".
  struct Broken: Error, CustomStringConvertible {
    let description: String

    init(_ rule: String) { self.description = "it must be \(rule)" }
  }

  /// Makes `--rate=-1` of `--rate -1`, which the parser would say lacks its value. No option is named
  /// by a digit.
  static func joiningNegativeNumbers(_ arguments: [String]) -> [String] {
    var joined: [String] = []
    for argument in arguments {
      let isNegative = argument.first == "-" && argument.dropFirst().first?.isNumber == true
      if isNegative, let last = joined.last, last.hasPrefix("--"), last.count > 2,
        !last.contains("=")
      {
        joined[joined.count - 1] = "\(last)=\(argument)"
      } else {
        joined.append(argument)
      }
    }
    return joined
  }

  static func user(_ text: String) throws -> UserName {
    try Self.value(UserName(text), "a user name, \(UserName.alphabet)")
  }

  static func device(_ text: String) throws -> DeviceName {
    try Self.value(DeviceName(text), "a device name, \(DeviceName.alphabet)")
  }

  static func offset(_ text: String) throws -> Offset {
    try Self.value(
      Offset(text), "an offset as `inspect deadletters` lists them, such as 1795309875007-0")
  }

  static func durability(_ text: String) throws -> Durability {
    try Self.value(Durability(text.lowercased()), Durability.form)
  }

  /// Where a gateway is. The commands have no TLS.
  static func gateway(_ text: String) throws -> ConnectEndpoint {
    let endpoint = ConnectEndpoint(text).flatMap { $0.isSecure ? nil : $0 }
    return try Self.value(
      endpoint,
      "ws://host[:port][/path], such as ws://127.0.0.1:8080 (wss:// is not supported here yet)")
  }

  static func process(_ text: String) throws -> MeasuredProcess {
    try Self.value(MeasuredProcess(text), "name=pid, such as gateway=4711")
  }

  static func healthQuestion(_ text: String) throws -> HealthQuestion {
    try Self.value(
      HealthQuestion(text), "http://host[:port]/path, such as http://127.0.0.1:9090/readyz")
  }

  static func timeSpan(_ text: String) throws -> TimeSpan {
    try Self.value(
      TimeSpan(text),
      "a whole number from 1 to \(CommandLimits.timeSpanNumber) and a unit, "
        + "such as 30s, 15m, 1h or 7d")
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

  static func wholeNumber(_ range: ClosedRange<Int>) -> @Sendable (String) throws -> Int {
    { text in
      try Self.value(
        Int(text).flatMap { range.contains($0) ? $0 : nil },
        range.upperBound == .max
          ? "a whole number, \(range.lowerBound) or more"
          : "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
  }

  /// A number of things that come in pairs.
  static func evenNumber(_ range: ClosedRange<Int>) -> @Sendable (String) throws -> Int {
    { text in
      try Self.value(
        Int(text).flatMap { range.contains($0) && $0 % 2 == 0 ? $0 : nil },
        "an even number from \(range.lowerBound) to \(range.upperBound)")
    }
  }

  private static func value<Value>(_ value: Value?, _ rule: String) throws -> Value {
    guard let value else { throw Broken(rule) }
    return value
  }
}
