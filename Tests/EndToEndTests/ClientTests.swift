import ConnectFaults
import ConnectTestStand
import Testing

/// `connect chat` in pipes: what it makes of odd input.
@Suite("The clients")
struct ClientTests {
  @Test("for terminals sends no line that is not UTF-8, and leaves no carriage return in one")
  func chatInput() async throws {
    try await TestStand.with { stand in
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
        program.errors.contains { $0.contains("line 3 of the input is not UTF-8") },
        "\(program.errors)")
      let bob = try await stand.connect("bob")
      try await bob.expectWelcome()
      #expect(try await bob.expectMessage().body == #"{"text":"one"}"#)
      #expect(try await bob.expectMessage().body == #"{"text":"two"}"#)
      try await bob.expectLive()
    }
  }
}
