import MessageBus
import Settings
import Testing

@testable import ConnectCommand

@Suite("Words in settings")
struct SettingWordTests {
  @Test(
    "are taken in any case",
    arguments: [
      (Setting.logLevel, "Info"), (.logLevel, "WARNING"), (.redisMode, "Cluster"), (.demo, "True"),
      (.durability, "Replicated:1"), (.managementListen, "OFF"), (.apiListen, "Off"),
    ])
  func anyCase(setting: Setting, text: String) throws {
    for values in [
      SettingValues(flags: [setting: text], environment: [:]),
      SettingValues(flags: [:], environment: [setting.variable: text]),
    ] {
      let level = try LogSettings(values).level
      #expect(level.rawValue == (setting == .logLevel ? text.lowercased() : "info"))
      #expect(try values.redis().mode == (setting == .redisMode ? .cluster : .auto))
      #expect(try values.flag(.demo) == (setting == .demo))
      let messaging = try values.messaging(id: values.instanceID(prefix: "m"), keys: values.keys())
      #expect(messaging.durability.replicas == (setting == .durability ? 1 : 0))
      #expect(try values.api(beside: messaging) == nil)
      let management = try values.managementListen(defaultPort: 9_090)
      #expect((management == nil) == (setting == .managementListen))
    }
  }

  @Test("that are others are refused with a sentence: of durability there is no list")
  func durability() throws {
    let values = SettingValues(flags: [.durability: "safe"], environment: [:])
    let keys = try values.keys()
    let expected = "--durability: 'safe' is not \(Durability.form)"
    #expect {
      try values.messaging(id: values.instanceID(prefix: "m"), keys: keys)
    } throws: {
      ($0 as? Failure)?.description == expected
    }
  }

  @Test("that are others are refused with the list of words")
  func list() {
    let values = SettingValues(flags: [.logLevel: "Loud"], environment: [:])
    let expected = """
      --log-level: 'Loud' is not one of trace, debug, info, notice, warning, error, critical
      """
    #expect {
      try LogSettings(values)
    } throws: {
      ($0 as? Failure)?.description == expected
    }
  }
}
