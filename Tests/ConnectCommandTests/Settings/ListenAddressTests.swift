import Settings
import Testing

@testable import ConnectCommand

/// Where a service listens, as it is written in a setting.
@Suite("Addresses to listen on")
struct ListenAddressTests {
  @Test(
    "a host alone takes the service's own port",
    arguments: [
      ("0.0.0.0", "0.0.0.0:9091"), ("[::]", "[::]:9091"), ("localhost", "localhost:9091"),
      ("0.0.0.0:80", "0.0.0.0:80"), ("[::1]:80", "[::1]:80"),
    ])
  func hostAlone(text: String, address: String) {
    #expect(ListenAddress(text, defaultPort: 9_091)?.description == address)
  }

  @Test(
    "a port that is out of range is refused with the range",
    arguments: [Setting.listen, .managementListen, .apiListen],
    ["foo:99999", "foo:65536", "foo:-1"])
  func range(setting: Setting, text: String) throws {
    let values = SettingValues(flags: [setting: text], environment: [:])
    let failure = #expect(throws: Failure.self) {
      _ =
        setting == .managementListen
        ? try values.managementListen(defaultPort: 9_090) : try values.listen(setting)
    }
    let said = try #require(failure?.description)
    #expect(
      said.hasPrefix("\(setting.flag): '\(text)' is not host:port with a port from 0 to 65535, "))
    for port in [0, 65_535] {
      let values = SettingValues(flags: [setting: "foo:\(port)"], environment: [:])
      #expect(try values.listen(setting)?.port == port)
    }
  }

  @Test(
    "what is neither a host nor a host and a port is refused",
    arguments: [
      "", "9091", "::", "::1", "localhost:", ":80", "localhost:65536", "localhost:http",
      "two words", "http://localhost:80",
    ])
  func refused(text: String) {
    #expect(ListenAddress(text, defaultPort: 9_091) == nil)
  }
}
