import ArgumentParser
import ConnectProtocol
import Gateway

struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token",
    abstract: "Prints a token for development, signed with the configured secret (HS256).")

  @Argument(help: "The user: \(UserName.alphabet).")
  var user: String

  @Option(
    help: """
      A device to print the path for, after the token, as `/v1/connect?device=…`. A token itself is \
      good for any device.
      """)
  var device: String?

  @Option(help: "How long it is valid: 30s, 15m, 1h, 7d.")
  var ttl = "1h"

  @OptionGroup var auth: AuthOptions

  func run() async throws {
    try await self.exiting {
      guard let user = UserName(self.user) else {
        throw Failure.usage("'\(self.user)' is not a user name: it must be \(UserName.alphabet)")
      }
      guard let seconds = TimeSpan.seconds(self.ttl) else {
        throw Failure.usage("--ttl: '\(self.ttl)' is not a time as 30s, 15m, 1h or 7d")
      }
      if let device = self.device, DeviceName(device) == nil {
        throw Failure.usage("--device: '\(device)' must be \(DeviceName.alphabet)")
      }
      let secret = try SettingValues(flags: self.auth.flags).developmentSecret()
      print(try await Authenticator(secret: secret).token(for: user, seconds: seconds))
      if let device = self.device { print("/v1/connect?device=\(device)") }
    }
  }
}

/// Times as people write them.
enum TimeSpan {
  /// The seconds of `30s`, `15m`, `1h` or `7d`; nil for anything else or nothing.
  static func seconds(_ text: String) -> Double? {
    let units: [Character: Double] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
    guard let unit = text.last.flatMap({ units[$0] }), let number = Int(text.dropLast()),
      number > 0, number <= 1_000_000
    else { return nil }
    return Double(number) * unit
  }
}
