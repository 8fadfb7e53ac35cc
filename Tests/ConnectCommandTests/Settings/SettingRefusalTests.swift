import Settings
import Testing

@testable import ConnectCommand

@Suite("Refused settings")
struct SettingRefusalTests {
  /// Reads everything that the services read.
  private func read(_ values: SettingValues) throws {
    _ = try GatewayCommand.settings(values)
    _ = try MessagingCommand.settings(values)
  }

  /// Settings that any text is right for, or a file, or whose value may be secret.
  private static let others: Set<Setting> = [
    .redisURL, .registryRedisURL, .redisUser, .redisPassword, .redisPasswordFile, .redisCAFile,
    .redisCertificateFile, .redisKeyFile, .authSecretFile, .authSecret, .authPreviousSecretFile,
    .authPreviousSecret, .serviceToken, .serviceTokenFile,
  ]

  @Test(
    "name the flag or variable, the value and the rule",
    arguments: Setting.allCases.filter { !others.contains($0) })
  func refusal(setting: Setting) throws {
    let value = "no {such} value"
    let secret = String(repeating: "t", count: 32)
    let secrets = [Setting.serviceToken.variable: secret, Setting.authSecret.variable: secret]
    for (values, name) in [
      (SettingValues(flags: [setting: value], environment: secrets), setting.flag),
      (
        SettingValues(flags: [:], environment: secrets.merging([setting.variable: value]) { $1 }),
        setting.variable
      ),
    ] {
      let failure = #expect(throws: Failure.self) { try self.read(values) }
      let said = try #require(failure?.description)
      #expect(said.hasPrefix("\(name): '\(value)' is not "), "\(said)")
      #expect(said.count > "\(name): '\(value)' is not ".count + 8, "\(said)")
      #expect(failure?.kind == .usage)
    }
  }
}
