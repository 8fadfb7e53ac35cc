import ConnectBench
import Foundation
import Settings
import TestSupport
import Testing

@testable import ConnectCommand

@Suite("Environment variables that are not settings")
struct UnknownVariableTests {
  @Test(
    "are found, with the setting that was probably meant",
    arguments: [
      ("CONNECT_LISTN", "CONNECT_LISTEN"), ("CONNECT_REDIS_ULR", "CONNECT_REDIS_URL"),
      ("CONNECT_REDIS_PASSWD_FILE", "CONNECT_REDIS_PASSWORD_FILE"),
      ("CONNECT_AUTH_SECRETFILE", "CONNECT_AUTH_SECRET_FILE"), ("CONNECT_PORT", nil),
      ("CONNECT_FAVOURITE_COLOUR", nil), ("CONNECT_", nil),
    ])
  func found(name: String, nearest: String?) {
    let unknown = UnknownVariable.among([name: "secret", "PATH": "/bin", "CONNECT_LISTEN": "x"])
    #expect(unknown == [UnknownVariable(name: name, nearest: nearest)])
    #expect(
      unknown.first?.description.hasPrefix("\(name) is not a setting, and is ignored; ") == true)
    #expect(unknown.first?.description.contains(nearest.map { "mean \($0)?" } ?? "listed") == true)
    #expect(unknown.first?.description.contains("secret") == false)
  }

  @Test("are none of those that mean something, are empty, or were set by Kubernetes")
  func known() {
    var environment = [
      "CONNECT_TOKEN": "t", "CONNECT_TEST_REDIS": "plain", "CONNECT_WARNINGS_AS_ERRORS": "1",
      "CONNECT_HEALTH_URL": "http://x", "CONNECT_IMAGE": "connect", "CONNECT_LISTN": "",
      "CONNECTION": "x", "connect_listn": "x",
      "CONNECT_SERVICE_HOST": "10.0.0.1", "CONNECT_SERVICE_PORT": "80",
      "CONNECT_GATEWAY_SERVICE_PORT_HTTP": "80", "CONNECT_PORT": "tcp://10.0.0.1:80",
      "CONNECT_PORT_80_TCP": "tcp://10.0.0.1:80", "CONNECT_GATEWAY_PORT_80_TCP_ADDR": "10.0.0.1",
      "CONNECT_PORT_53_UDP_PROTO": "udp",
    ]
    for setting in Setting.allCases { environment[setting.variable] = "x" }
    #expect(UnknownVariable.among(environment) == [])
  }

  @Test("are warned of in the log of a service, which starts nevertheless, and once by a tool")
  func warned() async throws {
    let unknown = ["CONNECT_LISTN": "hidden", "CONNECT_PARTITION": "hidden"]
    let expected = [
      "connect: CONNECT_LISTN is not a setting, and is ignored; did you mean CONNECT_LISTEN?",
      "connect: CONNECT_PARTITION is not a setting, and is ignored; did you mean CONNECT_PARTITIONS?",
    ]
    let token = try Program(["token", "alice"], environment: unknown)
    #expect(try await token.exitCode() == 0)
    #expect(token.output.count == 1)
    #expect(token.errors == expected)

    // Before the log is there, the cause of a refusal is said beside it.
    let refused = try Program(
      ["gateway"], environment: ["CONNECT_AUTH_SECRET": "", "CONNECT_AUTH_SECRT": "hidden"])
    #expect(try await refused.exitCode() == 64)
    #expect(refused.errors.count == 2)
    #expect(refused.errors.first?.hasSuffix("did you mean CONNECT_AUTH_SECRET?") == true)

    for service in ["gateway", "messaging"] {
      let program = try Program(
        [
          service, "--management-listen", "127.0.0.1:0", "--redis-url", "redis://127.0.0.1:1",
        ] + (service == "gateway" ? ["--listen", "127.0.0.1:0"] : []), environment: unknown)
      for name in ["CONNECT_LISTEN", "CONNECT_PARTITIONS"] {
        let line = try await program.errorLine { $0.contains("nearest=\(name) ") }
        #expect(line.contains("settings.unknown_variable"))
      }
      // It goes on.
      _ = try await program.errorLine { $0.contains("redis.waiting") }
      #expect(!program.errors.contains { $0.contains("hidden") })
      program.process.signal(SIGTERM)
      #expect(try await program.exitCode() == 0)
    }
  }
}
