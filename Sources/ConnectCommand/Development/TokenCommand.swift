import ArgumentParser
import ConnectProtocol
import Gateway
import Settings

struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token",
    abstract: "Prints a token for development, signed with the configured secret (HS256).")

  /// Validity of a token, unless another is given, in seconds.
  static let defaultSeconds: Double = 3_600

  @Argument(help: "The user: \(UserName.alphabet).", transform: ArgumentRules.user)
  var user: UserName

  @Option(
    help: """
      A device to print the path for, after the token, as `/v1/connect?device=…`. A token itself is \
      good for any device.
      """,
    transform: ArgumentRules.device)
  var device: DeviceName?

  @Option(
    help: "How long it is valid: 30s, 15m, 1h, 7d (default: 1h).",
    transform: ArgumentRules.timeSpan)
  var ttl: TimeSpan?

  @OptionGroup var auth: AuthOptions

  func run() async throws {
    try await self.exiting {
      let secret = try SettingValues(self.auth).developmentSecret()
      let seconds = self.ttl?.seconds ?? Self.defaultSeconds
      print(try await Authenticator(secret: secret).token(for: self.user, seconds: seconds))
      if let device = self.device { print("/v1/connect?device=\(device)") }
    }
  }
}

/// A duration in people's notation.
struct TimeSpan {
  let seconds: Double

  /// Reads `30s`, `15m`, `1h` or `7d`; nil for anything else.
  init?(_ text: String) {
    let units: [Character: Double] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
    guard let unit = text.last.flatMap({ units[$0] }), let number = Int(text.dropLast()),
      (1...CommandLimits.timeSpanNumber).contains(number)
    else { return nil }
    self.seconds = Double(number) * unit
  }
}
