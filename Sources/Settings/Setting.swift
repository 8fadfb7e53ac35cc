import Configuration
import Foundation

/// # Settings
///
/// Settings of commands, by flag or by environment variable, and how a command ends if one is
/// wrong.

/// The name of a setting, as in `--redis-url` and `CONNECT_REDIS_URL`.
package enum Setting: String, CaseIterable {
  case redisURL = "redis-url"
  case registryRedisURL = "registry-redis-url"
  case redisMode = "redis-mode"
  case redisUser = "redis-user"
  /// Only as a variable: a flag would show the password to everybody on the machine.
  case redisPassword = "redis-password"
  case redisPasswordFile = "redis-password-file"
  case redisCAFile = "redis-ca-file"
  case redisCertificateFile = "redis-cert-file"
  case redisKeyFile = "redis-key-file"
  case redisTLSInsecure = "redis-tls-insecure"
  case listen = "listen"
  case managementListen = "management-listen"
  case authSecretFile = "auth-secret-file"
  /// Only as a variable: a flag would show the secret to everybody on the machine.
  case authSecret = "auth-secret"
  case authPreviousSecretFile = "auth-previous-secret-file"
  /// Only as a variable.
  case authPreviousSecret = "auth-previous-secret"
  case instanceID = "instance-id"
  case keyPrefix = "key-prefix"
  case partitions = "partitions"
  case logLevel = "log-level"
  case logFormat = "log-format"
  case allowedOrigins = "allowed-origins"
  case demo = "demo"
  case maximumConnections = "max-connections"
  case sendsPerSecond = "sends-per-second"
  case requestsPerSecond = "requests-per-second"
  case signalsPerSecond = "signals-per-second"
  case unacked = "unacked"
  case devicesPerUser = "devices-per-user"
  case frameBytes = "frame-bytes"
  case pingSeconds = "ping-seconds"
  case leaseSeconds = "lease-seconds"
  case attempts = "attempts"
  case mailboxLimit = "mailbox-limit"
  case mailboxBytes = "mailbox-bytes"
  case historyLimit = "history-limit"
  case retentionDays = "retention-days"
  case drainSeconds = "drain-seconds"
  case backlogLimit = "backlog-limit"
  case durability = "durability"
  case metricsLog = "metrics-log"
  case metricsNamespace = "metrics-namespace"
  case metricsLogSeconds = "metrics-log-seconds"
  case apiListen = "api-listen"
  case serviceTokenFile = "service-token-file"
  /// Only as a variable: a flag would show the token to everybody on the machine.
  case serviceToken = "service-token"

  package var flag: String { "--\(self.rawValue)" }

  package var variable: String {
    "CONNECT_" + self.rawValue.uppercased().replacingOccurrences(of: "-", with: "_")
  }

  fileprivate var isSecret: Bool {
    [.authSecret, .authPreviousSecret, .redisPassword, .serviceToken].contains(self)
  }

  fileprivate var key: ConfigKey {
    ConfigKey(["connect"] + self.rawValue.split(separator: "-").map(String.init))
  }
}

/// The values of settings as they were given: by flag, else by environment variable.
///
/// Each is read as text and parsed here, because a value in the wrong form must be an error that
/// names the setting, never a silent default.
package struct SettingValues {
  private let reader: ConfigReader
  private let flags: Set<Setting>

  package init(
    flags: [Setting: String], environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    let given = Dictionary(
      uniqueKeysWithValues: flags.map { setting, value in
        (AbsoluteConfigKey(setting.key), ConfigValue(stringLiteral: value))
      })
    self.flags = Set(flags.keys)
    self.reader = ConfigReader(providers: [
      InMemoryProvider(name: "flags", values: given),
      EnvironmentVariablesProvider(environmentVariables: environment),
    ])
  }

  /// The given value, if any. An empty variable counts as not given.
  package func text(_ setting: Setting) -> String? {
    self.reader.string(forKey: setting.key, isSecret: setting.isSecret)
      .flatMap { $0.isEmpty && !self.flags.contains(setting) ? nil : $0 }
  }

  /// A secret that was given as a variable. As in a file, none begins with a byte order mark, which would
  /// make it another one that looks the same.
  package func secretText(_ setting: Setting) throws(Failure) -> String? {
    guard let text = self.text(setting) else { return nil }
    guard text.unicodeScalars.first != "\u{FEFF}" else {
      throw self.failure(
        setting,
        "the value begins with a byte order mark, which would be taken for a part of the secret; set "
          + "it without one")
    }
    return text
  }

  /// The value that was given, parsed.
  ///
  /// - Parameter parse: answers nil for text in the wrong form.
  package func value<Value>(
    _ setting: Setting, expected: String, _ parse: (String) -> Value?
  ) throws(Failure) -> Value? {
    guard let text = self.text(setting) else { return nil }
    guard let value = parse(text) else {
      throw self.failure(setting, "'\(text)' is not \(expected)")
    }
    return value
  }

  /// The meaning of one of `words`, in upper or lower case.
  package func word<Value>(
    _ setting: Setting, _ words: KeyValuePairs<String, Value>
  ) throws(Failure) -> Value? {
    let expected = "one of \(words.map(\.key).joined(separator: ", "))"
    return try self.value(setting, expected: expected) { text in
      words.first { $0.key == text.lowercased() }?.value
    }
  }

  /// Whether the value is `off`.
  package func isOff(_ setting: Setting) -> Bool { self.text(setting)?.lowercased() == "off" }

  /// `true` or `false`; false unless it was given.
  package func flag(_ setting: Setting) throws(Failure) -> Bool {
    try self.word(setting, ["true": true, "false": false]) ?? false
  }

  /// Reads a whole number within bounds; `value` stays as it is unless one was given.
  package func read(
    _ setting: Setting, _ range: ClosedRange<Int>, into value: inout Int
  ) throws(Failure) {
    let expected = "a whole number from \(range.lowerBound) to \(range.upperBound)"
    let given = try self.value(setting, expected: expected) { text in
      Int(text).flatMap { range.contains($0) ? $0 : nil }
    }
    if let given { value = given }
  }

  /// The error about a setting, by the name under which it was given.
  package func failure(_ setting: Setting, _ reason: String) -> Failure {
    let name = self.flags.contains(setting) ? setting.flag : setting.variable
    return .usage("\(name): \(reason)")
  }
}
