import ConnectBench
import Foundation
import LocalRedis
import TestSupport
import Testing

@Suite("connect inspect deadletters")
struct InspectDeadLettersTests {
  private struct DeadLetters: Decodable {
    struct Content: Decodable {
      let text: String?
      let hexadecimal: String?
    }
    struct Original: Decodable {
      let peerOffset: String
      let at: UInt64
    }
    struct Position: Decodable {
      let delivered: String?
      let read: String?
    }
    struct Message: Decodable {
      let kind: String
      let from: String
      let to: String
      let id: String
      let flags: [String]
      let firstSent: UInt64?
      let original: Original?
      let position: Position?
      let body: Content
    }
    struct Letter: Decodable {
      let offset: String
      let reason: String
      let origin: String
      let attempts: Int?
      let message: Message?
      let fields: [String: Content]?
    }
    let deadLetters: [Letter]
    let total: Int
  }

  @Test("dead letters are listed newest first within a limit, shown decoded, and dropped")
  func deadLetters() async throws {
    try await Inspection.withRedis { server in
      let key = "connect:deadletter"
      try await server.command(
        "XADD", key, "1-0", "reason", "five attempts failed", "origin",
        "\(Inspection.incoming) 9-0",
        "attempts", "5", "m", Inspection.envelope(id: "m1", body: #"{"text":"\u0068i"}"#))
      try await server.command(
        "XADD", key, "2-0", "reason", "unknown form", "origin", "\(Inspection.incoming) 10-0",
        "attempts", "1", "field.a", "b\u{1B}[2J")
      for number in 3...5 {
        try await server.command("XADD", key, "\(number)-0", "reason", "x", "m", "?")
      }

      let newest = try await Inspection.of(
        "deadletters", "--limit", "2", "--json", redis: server.url
      ).json(DeadLetters.self)
      #expect(newest.total == 5)
      #expect(newest.deadLetters.map(\.offset) == ["5-0", "4-0"])
      let table = try await Inspection.of("deadletters", "list", "--limit", "4", redis: server.url)
      #expect(table.lines.count == 6)
      #expect(table.text.contains("unknown form"))
      #expect(table.lines.last == "and 1 older; see --limit")

      let shown = try await Inspection.of("deadletters", "show", "1-0", "--json", redis: server.url)
        .json(DeadLetters.Letter.self)
      #expect(shown.attempts == 5)
      #expect(shown.origin == "\(Inspection.incoming) 9-0")
      let message = try #require(shown.message)
      #expect(message.kind == "message")
      #expect([message.from, message.to, message.id] == ["alice", "bob", "m1"])
      #expect(message.body.text == #"{"text":"\u0068i"}"#)
      let other = try await Inspection.of("deadletters", "show", "2-0", redis: server.url)
      #expect(other.text.contains("field a"))
      #expect(!other.text.contains("\u{1B}"), "what others wrote reaches the terminal")

      let missing = try await Inspection.of("deadletters", "show", "7-0", redis: server.url)
      #expect(missing.code == 1)
      #expect(missing.errors == ["connect: there is no dead letter 7-0"])
      let unclear = try await Inspection.of("deadletters", "drop", redis: server.url)
      #expect(unclear.code == 64)

      let dropped = try await Inspection.of("deadletters", "drop", "2-0", redis: server.url)
      #expect(dropped.lines == ["dropped 1 dead letter"])
      let kept = try await Inspection.of("deadletters", "requeue", "3-0", redis: server.url)
      #expect(kept.code == 1)
      #expect(kept.text.contains("3-0: kept"))
      let all = try await Inspection.of("deadletters", "drop", "--all", redis: server.url)
      #expect(all.lines == ["dropped 4 dead letters"])
      let none = try await Inspection.of("deadletters", redis: server.url)
      #expect(none.lines == ["no dead letters"])
    }
  }

  /// A 64-bit number as it lies in an envelope; below 128, so that it is UTF-8, too.
  private func number(_ value: UInt8) -> String {
    String(repeating: "\0", count: 7) + String(UnicodeScalar(value))
  }

  @Test("the flags, times and offsets of messages, copies and positions are shown")
  func decoded() async throws {
    try await Inspection.withRedis { server in
      let names = "alicebob"
      let envelopes = [
        // All flags that a message on the bus may have, and when it was first sent.
        "\u{2}\u{1}\u{37}\u{5}\u{3}\u{2}\(self.number(7))\(names)m1[1]",
        // A copy that is quiet.
        "\u{1}\u{5}\u{10}\u{5}\u{3}\u{2}\(names)m1"
          + self.number(9) + self.number(1) + self.number(8) + "[1]",
        // A position that says only what is read.
        "\u{1}\u{4}\0\u{5}\u{3}\0\(names)"
          + self.number(0) + self.number(0) + self.number(6) + self.number(5),
      ]
      for (index, envelope) in envelopes.enumerated() {
        try await server.command(
          "XADD", "connect:deadletter", "\(index + 1)-0", "reason", "x", "m", envelope)
      }
      var messages: [DeadLetters.Message] = []
      var texts: [[String]] = []
      for offset in ["1-0", "2-0", "3-0"] {
        let json = try await Inspection.of(
          "deadletters", "show", offset, "--json", redis: server.url)
        messages.append(try #require(try json.json(DeadLetters.Letter.self).message))
        let text = try await Inspection.of("deadletters", "show", offset, redis: server.url)
        texts.append(
          text.lines.map { $0.split(separator: " ", omittingEmptySubsequences: true) }
            .map { $0.joined(separator: " ") })
      }
      #expect(messages.map(\.kind) == ["message", "sent", "position"])
      #expect(messages[0].flags == ["receipt", "copy", "retry", "quiet", "dated"])
      #expect(messages[0].firstSent == 7)
      #expect(texts[0].contains("first sent 7"))
      #expect(messages[1].flags == ["quiet"])
      #expect(messages[1].original?.peerOffset == "9-1")
      #expect(messages[1].original?.at == 8)
      #expect(messages[1].body.text == "[1]")
      #expect(texts[1].contains("peer offset 9-1") && texts[1].contains("at 8"))
      #expect(messages[2].position?.delivered == nil)
      #expect(messages[2].position?.read == "6-5")
      #expect(texts[2].contains("read 6-5"))
      #expect(messages[0].original == nil && messages[0].position == nil)
    }
  }

  @Test("a requeued dead letter is delivered, and stored once even where it was stored before")
  func requeue() async throws {
    try await Deployment.with(gateways: 1) { deployment in
      for id in ["m1", "m2", "m1"] {
        try await deployment.redis(
          "XADD", "connect:deadletter", "*", "reason", "test", "origin", "x 1-0", "attempts", "5",
          "m", Inspection.envelope(id: id, body: #"{"text":"\#(id)"}"#))
      }
      let requeued = try await Inspection.of(
        "deadletters", "requeue", "--all", redis: deployment.redis.adminURL)
      #expect(requeued.code == 0)
      #expect(requeued.lines.last == "requeued 3, kept 0")
      var left = try await deployment.redis("XLEN", "connect:deadletter")
      #expect(try left.integer() == 0)

      let bob = try Program([
        "chat", "--as", "bob", "--to", "alice", "--url", deployment.gateways[0].url, "--lines",
        "--listen", "--count", "2",
      ])
      let code = try await bob.exitCode()
      #expect(code == 0, "\(bob.errors)")
      #expect(bob.output == ["m1", "m2"])
      try await eventually("the repeat is processed") {
        try await deployment.isIdle()
      }
      var stored = try await deployment.redis("XLEN", "connect:mailbox:{bob}")
      #expect(try stored.integer() == 2)

      // A gateway that could not reach Redis yet at its first heartbeat serves a second before the next.
      try await eventually("the gateway has written of itself") {
        let report = try await Inspection.of(
          "gateways", "--json", redis: deployment.redis.adminURL
        )
        .json(Inspection.Gateways.self)
        return report.gateways.map(\.isAlive) == [true]
          && report.gateways[0].fields["address"] != nil
      }
      // A cursor is stored a little after the ack.
      try await eventually("bob's cursor is stored") {
        let user = try await Inspection.of(
          "user", "bob", "--json", redis: deployment.redis.adminURL
        )
        .json(Inspection.User.self)
        return user.cursors.map(\.behind) == [0] && user.mailbox.length == 2
      }
    }
  }
}

extension Deployment {
  /// Whether no partition holds anything that is to be processed.
  fileprivate func isIdle() async throws -> Bool {
    let program = try Program(["inspect", "--json", "--redis-url", self.redis.adminURL])
    _ = try await program.exitCode()
    struct Overview: Decodable {
      struct Partitions: Decodable {
        struct Partition: Decodable { let backlog: Int }
        let partitions: [Partition]
      }
      let partitions: Partitions
    }
    let overview = try JSONDecoder().decode(
      Overview.self, from: Data(program.output.joined(separator: "\n").utf8))
    return overview.partitions.partitions.allSatisfy { $0.backlog == 0 }
  }
}
