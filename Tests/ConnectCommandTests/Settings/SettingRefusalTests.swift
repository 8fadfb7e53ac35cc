import Settings
import Testing

@testable import ConnectCommand

@Suite("Refused settings")
struct SettingRefusalTests {
  /// Reads everything that a service reads.
  private func read(_ values: SettingValues) throws {
    _ = try values.redisPlaces()
    let keys = try values.keys()
    _ = try values.gateway(
      listen: values.listen(.listen, default: "127.0.0.1:8080"),
      id: values.instanceID(prefix: "g"), keys: keys, demo: values.isDemo())
    _ = try values.api(beside: values.messaging(id: values.instanceID(prefix: "m"), keys: keys))
    _ = try values.managementListen(default: "127.0.0.1:9090")
    _ = try values.metricsLog()
    _ = try values.logLevel()
    _ = try values.isJSONLog()
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
    let token = [Setting.serviceToken.variable: String(repeating: "t", count: 32)]
    for (values, name) in [
      (SettingValues(flags: [setting: value], environment: token), setting.flag),
      (
        SettingValues(flags: [:], environment: token.merging([setting.variable: value]) { $1 }),
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
