import ConnectBench
import ConnectTestStand
import Foundation
import TestSupport
import Testing

@Suite("The API for backends, as a part of the program", .timeLimit(.minutes(20)))
struct APICommandTests {
  private func refusal(
    _ arguments: [String], _ environment: [String: String] = [:]
  ) async throws -> String {
    let program = try Program(["messaging"] + arguments, environment: environment)
    #expect(try await program.exitCode() == 64)
    #expect(program.errors.count == 1, "\(program.errors)")
    return program.errors.first ?? ""
  }

  private func withFile(
    _ text: String, _ body: (_ path: String) async throws -> Void
  ) async throws {
    let file = try TemporaryFile(text.utf8)
    defer { file.remove() }
    try await body(file.path)
  }

  @Test("is refused with one line and 64 where its place or its token is wrong")
  func settings() async throws {
    let on = ["--api-listen", "127.0.0.1:0"]
    var line = try await self.refusal(on)
    #expect(line.contains("--api-listen"))
    #expect(line.contains("--service-token-file"))
    #expect(line.contains("CONNECT_SERVICE_TOKEN"))
    line = try await self.refusal([], ["CONNECT_API_LISTEN": "8090"])
    #expect(line.contains("CONNECT_API_LISTEN: '8090' is not host:port"))
    line = try await self.refusal(on, ["CONNECT_SERVICE_TOKEN": "too-short"])
    #expect(
      line
        == "connect: CONNECT_SERVICE_TOKEN: the service token number 1 has 9 characters; it needs "
        + "32 to 1024")
    line = try await self.refusal(on + ["--service-token-file", "/nowhere"])
    #expect(
      line == "connect: --service-token-file: cannot read /nowhere: No such file or directory")
    try await self.withFile("\n") { path in
      let line = try await self.refusal(on + ["--service-token-file", path])
      #expect(line == "connect: --service-token-file: cannot read \(path): it is empty")
    }
    line = try await self.refusal(
      on + ["--frame-bytes", "1"], ["CONNECT_SERVICE_TOKEN": TestStand.serviceToken])
    #expect(line.contains("--frame-bytes"))
  }

  @Test("serves beside messaging, and stops with it; a port in use ends both")
  func serves() async throws {
    try await Deployment.with(gateways: 0) { deployment in
      try await self.withFile("\(TestStand.serviceToken)\n") { path in
        var environment = deployment.redis.environment
        environment["CONNECT_SERVICE_TOKEN_FILE"] = path
        let arguments = [
          "messaging", "--redis-url", deployment.redis.url, "--management-listen", "off",
        ]
        let program = try Program(
          arguments + ["--api-listen", "127.0.0.1:0"], environment: environment)
        let listening = try await program.errorLine { $0.contains("api.listening") }
        let port = try #require(
          listening.split(separator: ":").last.flatMap { Int($0.prefix(while: \.isNumber)) })

        let connection = HTTPTestConnection(try await TestSocket.open(port: port))
        let message = HTTPTestRequest(
          "POST", "/v1/messages", body: #"{"from":"alice","to":"bob","id":"m-1","body":1}"#)
        // It may listen before its event loops have their connections to Redis: 503 until then.
        let status = try await eventually("the API reaches Redis") {
          let status = try await connection.ask(message).status
          return status == 503 ? nil : status
        }
        #expect(status == 202)

        let second = try Program(
          arguments + ["--api-listen", "127.0.0.1:\(port)"], environment: environment)
        #expect(try await second.exitCode() == 1)
        #expect(second.errors.contains { $0.contains("cannot listen on 127.0.0.1:\(port)") })

        program.process.signal(SIGTERM)
        #expect(try await program.exitCode() == 0)
        #expect(program.errors.contains { $0.contains("api.stopped") })
        #expect(program.errors.contains { $0.contains("messaging.stopped") })
        #expect(!program.errors.contains { $0.contains(TestStand.serviceToken) })
      }
    }
  }
}
