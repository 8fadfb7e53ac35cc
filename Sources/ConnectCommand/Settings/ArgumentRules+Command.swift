import ConnectProtocol
import Settings

extension ArgumentRules {
  static func offset(_ text: String) throws -> Offset {
    try Self.value(
      Offset(text), "an offset as `inspect deadletters` lists them, such as 1795309875007-0")
  }

  static func healthQuestion(_ text: String) throws -> HealthQuestion {
    try Self.value(
      HealthQuestion(text),
      "http://host[:port]/path with a port from 1 to 65535, such as http://127.0.0.1:9090/readyz")
  }

  static func timeSpan(_ text: String) throws -> TimeSpan {
    try Self.value(
      TimeSpan(text),
      "a whole number from 1 to \(CommandLimits.timeSpanNumber) and a unit, "
        + "such as 30s, 15m, 1h or 7d")
  }
}
