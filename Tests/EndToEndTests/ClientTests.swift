import ConnectBench
import ConnectProtocol
import ConnectTestStand
import Foundation
import LocalRedis
import Testing

/// The client for JavaScript, in Node, and `connect chat` in pipes: what they make of odd input.
@Suite("The clients")
struct ClientTests {
  private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../JavaScriptTests").standardizedFileURL.path
  private static let files = [
    "connect", "positions", "requests", "page", "package", "conversations", "stores", "faulty",
    "gateways", "conventions", "development", "tokens", "odd", "locks",
  ]

  @Test("for JavaScript passes its own tests against a gateway, without a page around it")
  func javaScript() async throws {
    guard ChildProcess.find("node") != nil else {
      Issue.record(
        """
        there is no node in PATH: install Node 18 or newer, with `apt-get install nodejs` (Debian, \
        Ubuntu) or `brew install node` (macOS)
        """)
      return
    }
    try await TestStand.with(TestStand.Options(gateways: 2)) { stand in
      let program = try Program(
        executable: "node",
        ["--test"] + Self.files.map { "\(Self.tests)/\($0).test.mjs" },
        environment: [
          "CONNECT_TEST_URL": "ws://127.0.0.1:\(stand.gateways[0].port)/v1/connect",
          "CONNECT_TEST_URL_2": "ws://127.0.0.1:\(stand.gateways[1].port)/v1/connect",
          "CONNECT_TEST_SECRET": String(decoding: TestTokens.secret, as: UTF8.self),
          "CONNECT_TEST_PROGRAM": Program.besideTests("connect"),
        ])
      let code = try await program.exitCode(within: .seconds(900))
      let said = program.output.joined(separator: "\n")
      #expect(code == 0, "\(said)\n\(program.errors)")
      // Each of them, so that none is left out by a slip.
      #expect(said.contains("pass 135"), "\(said)")
    }
  }

  @Test("for terminals says what is wrong with a token that the gateway refuses")
  func chatToken() async throws {
    try await TestStand.with { stand in
      for (token, reason) in [
        (TestTokens.make(payload: #"{"sub":"alice"}"#), "the token has no exp"),
        (TestTokens.make(payload: #"{"sub":7,"exp":1}"#), "the token's sub must be a string"),
        (TestTokens.valid(for: "alice", seconds: -1), "the token has expired"),
        (
          TestTokens.make(payload: #"{"sub":"alice"}"#, signature: .hs512),
          "the token's signature is not one of this gateway's secret"
        ),
      ] {
        let program = try Program(
          [
            "chat", "--as", "alice", "--to", "bob", "--lines", "--listen", "--url",
            "ws://127.0.0.1:\(stand.gateways[0].port)",
          ],
          environment: ["CONNECT_TOKEN": token])
        #expect(try await program.exitCode() != 0)
        #expect(program.errors.contains { $0.contains(reason) }, "\(program.errors)")
      }
    }
  }

  @Test("for terminals sends no line that is not UTF-8, and leaves no carriage return in one")
  func chatInput() async throws {
    try await TestStand.with { stand in
      let bob = try await stand.connect("bob")
      try await bob.expectWelcome()
      try await bob.expectLive()
      let program = try Program(
        [
          "chat", "--as", "alice", "--to", "bob", "--lines", "--url",
          "ws://127.0.0.1:\(stand.gateways[0].port)",
        ],
        environment: ["CONNECT_TOKEN": TestTokens.valid(for: "alice") + "\n"], input: .pipe)
      try program.process.input?.write(Array("one\r\ntwo\n".utf8) + [0x66, 0xFC, 0x72, 0x0A])
      try program.process.input?.write("four\n")
      program.process.input?.close()
      #expect(try await program.exitCode() == 1)
      #expect(
        program.errors.last
          == "connect: line 3 of the input is not UTF-8; neither it nor what follows was sent",
        "\(program.errors)")
      #expect(try await bob.expectMessage().body == #"{"text":"one"}"#)
      #expect(try await bob.expectMessage().body == #"{"text":"two"}"#)
    }
  }
}
