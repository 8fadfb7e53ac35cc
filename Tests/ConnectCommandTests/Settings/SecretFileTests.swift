import Settings
import TestSupport
import Testing

@testable import ConnectCommand

/// Files with secrets, as editors and shells save them.
@Suite("Settings that name a file with a secret")
struct SecretFileTests {
  private static let secret = "0123456789abcdef0123456789abcdef"

  /// Reads the settings that each name such a file.
  private func read(_ setting: Setting, _ content: [UInt8]) throws {
    let file = try TemporaryFile(content)
    defer { file.remove() }
    try self.read(
      setting,
      SettingValues(flags: [setting: file.path, .apiListen: "127.0.0.1:0"], environment: [:]))
  }

  private func read(_ setting: Setting, _ values: SettingValues) throws {
    switch setting {
    case .redisPasswordFile: _ = try values.redisPlaces()
    case .redisPassword:
      let places = try values.redisPlaces()
      #expect(places.bus.url.password == Self.secret)
      #expect(places.registry.map { $0.url.password == Self.secret } ?? true)
    case .authSecretFile, .authSecret:
      #expect(try values.secret() == Array(Self.secret.utf8))
      _ = try values.requiredSecret()
    case .authPreviousSecretFile, .authPreviousSecret:
      #expect(try values.previousSecret() == Array(Self.secret.utf8))
    default:
      let messaging = try values.messaging(id: values.instanceID(prefix: "m"), keys: values.keys())
      #expect(try values.api(beside: messaging) != nil)
    }
  }

  private static let settings: [Setting] = [
    .redisPasswordFile, .authSecretFile, .authPreviousSecretFile, .serviceTokenFile,
  ]

  @Test(
    "take it without the line end behind it", arguments: settings, ["", "\n", "\r\n", "\r\n\r\n"])
  func lineEnd(setting: Setting, end: String) throws {
    try self.read(setting, Array((Self.secret + end).utf8))
  }

  private static let encodings: [(reason: String, content: [UInt8])] = [
    ("it begins with a byte order mark", [0xef, 0xbb, 0xbf] + Array(secret.utf8)),
    ("it is UTF-16", [0xff, 0xfe] + Array(secret.utf8).flatMap { [$0, 0] }),
    ("it is UTF-16", Array(secret.utf8).flatMap { [0, $0] }),
  ]

  @Test(
    "refuse a byte order mark and UTF-16, and say what to do", arguments: settings, encodings)
  func encoding(setting: Setting, file: (reason: String, content: [UInt8])) {
    #expect {
      try self.read(setting, file.content)
    } throws: { error in
      let said = (error as? Failure)?.description ?? ""
      return (error as? Failure)?.kind == .usage && said.hasPrefix("\(setting.flag): cannot read /")
        && said.contains(": \(file.reason)") && said.contains("save it as UTF-8 without")
    }
  }

  @Test(
    "have variables beside them that refuse a byte order mark, too, and say what to do",
    arguments: [.redisPassword, .authSecret, .authPreviousSecret, .serviceToken] as [Setting],
    [
      [:], [.registryRedisURL: "redis://b"],
      [.redisURL: "redis://:x@a", .registryRedisURL: "redis://b"],
    ]
      as [[Setting: String]])
  func variable(setting: Setting, flags: [Setting: String]) throws {
    func read(_ value: String) throws {
      try self.read(
        setting,
        SettingValues(
          flags: flags.merging([.apiListen: "127.0.0.1:0"]) { $1 },
          environment: [setting.variable: value]))
    }
    try read(Self.secret)
    let failure = #expect(throws: Failure.self) { try read("\u{FEFF}" + Self.secret) }
    #expect(failure?.kind == .usage)
    #expect(
      failure?.description == """
        \(setting.variable): the value begins with a byte order mark, which would be taken for a part \
        of the secret; set it without one
        """)
  }

  @Test("wait for a password file that is not there yet or empty, and refuse others at once")
  func missing() throws {
    let values = SettingValues(flags: [.redisPasswordFile: "/nowhere/password"], environment: [:])
    #expect(try values.redisPlaces().bus.passwordFile == "/nowhere/password")
    try self.read(.redisPasswordFile, [])
    #expect {
      try SettingValues(flags: [.redisPasswordFile: "/"], environment: [:]).redisPlaces()
    } throws: {
      ($0 as? Failure)?.kind == .usage
        && ($0 as? Failure)?.description == "--redis-password-file: cannot read /: Is a directory"
    }
    for (setting, content) in [(Setting.authSecretFile, [UInt8]()), (.serviceTokenFile, [10])] {
      #expect {
        try self.read(setting, content)
      } throws: {
        ($0 as? Failure)?.description.hasSuffix(": it is empty") == true
      }
    }
  }
}
