import ConnectBench
import Foundation
import LocalRedis
import Logging
import NIOPosix
import Redis
import TestSupport
import Testing

/// What an operator sees of a Redis into which the test wrote what services would have written.
@Suite("connect inspect")
struct InspectTests {
  private static let partitions = 2
  /// bob's messages come through the first of two partitions.
  private static let incoming = "connect:incoming:{p0.1}"

  /// An envelope as it lies in Redis; only bytes that are UTF-8 too.
  private static func envelope(id: String, body: String, flags: String = "\0") -> String {
    "\u{1}\u{1}\(flags)\u{5}\u{3}\u{2}alicebob\(id)\(body)"
  }

  private struct Inspection {
    let code: Int32
    let lines: [String]
    let errors: [String]

    var text: String { self.lines.joined(separator: "\n") }
    func json<Report: Decodable>(_ type: Report.Type) throws -> Report {
      try JSONDecoder().decode(Report.self, from: Data(self.text.utf8))
    }
  }

  private func inspect(_ arguments: String..., redis: String) async throws -> Inspection {
    let program = try Program(["inspect"] + arguments + ["--redis-url", redis])
    let code = try await program.exitCode()
    return Inspection(code: code, lines: program.output, errors: program.errors)
  }

  private func withRedis(
    _ body: (LocalRedisServer, RedisByHand) async throws -> Void
  ) async throws {
    let server = try await LocalRedisServer.start()
    do {
      let redis = try await RedisByHand(server.url)
      try await redis("SET", "connect:partitions", "\(Self.partitions)")
      try await body(server, redis)
      try await redis.close()
    } catch {
      await server.stop()
      throw error
    }
    await server.stop()
  }

  // MARK: What somebody wrote by hand

  @Test("goes on whatever somebody wrote by hand, and shows none of it so that a terminal obeys")
  func byHand() async throws {
    try await self.withRedis { server, redis in
      let evil = "\u{1b}[2J\u{9b}1m\u{202e}"
      let largest = "18446744073709551615-18446744073709551615"
      try await redis(
        "HSET", "connect:cursor:{bob}", "phone", "1-0 9223372036854775807", "tablet",
        "\(largest) 18446744073709551616", "pc", "9223372036854775807-0 -9223372036854775808",
        "!removed", largest, evil, evil)
      try await redis("HSET", "connect:session:{bob}", evil, "g1/\(evil)", "phone", evil)
      try await redis("XADD", "connect:mailbox:{bob}", "1-1", "m", evil)
      try await redis("XADD", "connect:mailbox:{bob}", largest, "m", evil)
      try await redis("XADD", Self.incoming, "9223372036854775807-0", evil, evil)
      try await redis("XGROUP", "CREATE", Self.incoming, "messaging:\(evil)", largest)
      try await redis("SET", "connect:lease:{p0.1}", evil)
      try await redis("SADD", "connect:gateways", "g1", "g2", evil)
      for gateway in ["g1", "g2"] {
        try await redis(
          "HSET", "connect:gateway:{\(gateway)}", "connections", "9223372036854775807", "started",
          "18446744073709551615", "address", evil, "version", evil)
        try await redis("XADD", "connect:outgoing:{\(gateway)}", largest, "m", evil)
      }
      try await redis("SADD", "connect:messaging", "m1", evil)
      try await redis("HSET", "connect:messaging:{m1}", "started", "-1", "host", evil, "pid", evil)
      try await redis(
        "XADD", "connect:deadletter", largest, "reason", evil, "origin", evil, "attempts",
        "9223372036854775807", "field.\(evil)", evil)
      for arguments in [
        ["overview"], ["streams"], ["partitions"], ["gateways"], ["user", "bob"], ["deadletters"],
        ["deadletters", "show", largest], ["deadletters", "requeue", largest],
      ] {
        for form in [[], ["--json"]] {
          let program = try Program(
            ["inspect"] + arguments + form + ["--redis-url", server.url])
          let code = try await program.exitCode()
          let mayFail = arguments.contains("requeue")
          #expect(code == 0 || mayFail && code == 1, "\(arguments) \(form): \(program.errors)")
          guard form.isEmpty else { continue }
          for line in program.output + program.errors {
            #expect(
              !line.unicodeScalars.contains { "\u{1b}\u{9b}\u{202e}".unicodeScalars.contains($0) })
          }
        }
      }
    }
  }

  // MARK: Streams

  private struct Streams: Decodable {
    struct Group: Decodable {
      let name: String
      let isForeign: Bool
      let pending: Int
      let lag: Int?
      let oldestUnfinished: String?
      let oldestUnfinishedAgeMilliseconds: Int?
    }
    struct Stream: Decodable {
      let stream: String
      let exists: Bool
      let length: Int
      let groups: [Group]
    }
    let incoming: [Stream]
    let outgoing: [Stream]
    let deadLetters: Stream
  }

  @Test("streams shows lag, pending and age of every group, foreign ones too")
  func streams() async throws {
    try await self.withRedis { server, redis in
      for number in 1...5 { try await redis("XADD", Self.incoming, "\(number)-0", "m", "x") }
      try await redis("XGROUP", "CREATE", Self.incoming, "messaging:m1:n1", "0")
      try await redis("XGROUP", "CREATE", Self.incoming, "archive", "1-0")
      try await redis(
        "XREADGROUP", "GROUP", "messaging:m1:n1", "c", "COUNT", "3", "STREAMS", Self.incoming, ">")
      try await redis("XACK", Self.incoming, "messaging:m1:n1", "1-0")
      try await redis("SADD", "connect:gateways", "g1", "g2")
      try await redis("XGROUP", "CREATE", "connect:outgoing:{g1}", "gateway:n", "0", "MKSTREAM")

      let report = try await self.inspect("streams", "--json", redis: server.url)
        .json(Streams.self)
      #expect(report.incoming.count == Self.partitions)
      let first = try #require(report.incoming.first)
      #expect(first.stream == Self.incoming)
      #expect(first.length == 5)
      let ours = try #require(first.groups.first { $0.name == "messaging:m1:n1" })
      #expect(!ours.isForeign)
      #expect(ours.pending == 2)
      #expect(ours.lag == 2)
      #expect(ours.oldestUnfinished == "2-0")
      #expect(try #require(ours.oldestUnfinishedAgeMilliseconds) > 1_000_000_000)
      let archive = try #require(first.groups.first { $0.name == "archive" })
      #expect(archive.isForeign)
      #expect(archive.pending == 0)
      #expect(archive.oldestUnfinished == "2-0")
      #expect(report.incoming[1].exists == false)
      #expect(report.outgoing.map(\.exists) == [true, false])
      #expect(report.outgoing[0].groups.map(\.isForeign) == [false])
      #expect(report.deadLetters.length == 0)

      let table = try await self.inspect("streams", redis: server.url)
      #expect(table.code == 0)
      #expect(table.lines[0].split(separator: " ").map(String.init).first == "STREAM")
      let archiveLine = try #require(table.lines.first { $0.contains("archive (foreign)") })
      let oursLine = try #require(table.lines.first { $0.contains("messaging:m1:n1") })
      // Aligned: the group stands in the same column of each row.
      #expect(
        archiveLine.range(of: "archive")?.lowerBound == oursLine.range(of: "messaging:")?.lowerBound
      )
    }
  }

  // MARK: Members

  private struct Partitions: Decodable {
    struct Partition: Decodable {
      let partition: Int
      let owner: String?
      let leaseMilliseconds: Int?
      let backlog: Int
    }
    struct Member: Decodable {
      let instance: String
      let isAlive: Bool
      let partitions: Int
      let fields: [String: String]
    }
    let partitions: [Partition]
    let messaging: [Member]
  }

  @Test("partitions shows who owns what, for how long, and who is gone")
  func partitions() async throws {
    try await self.withRedis { server, redis in
      try await redis("SET", "connect:lease:{p0.1}", "messaging-1:nonce", "PX", "600000")
      try await redis("SADD", "connect:messaging", "messaging-1", "messaging-2")
      try await redis(
        "HSET", "connect:messaging:{messaging-1}", "started", "1", "host", "node-a", "pid", "42")
      try await redis("PEXPIRE", "connect:messaging:{messaging-1}", "600000")
      for _ in 0..<3 { try await redis("XADD", Self.incoming, "*", "m", "x") }

      let report = try await self.inspect("partitions", "--json", redis: server.url)
        .json(Partitions.self)
      #expect(report.partitions.map(\.owner) == ["messaging-1", nil])
      #expect(report.partitions.map(\.backlog) == [3, 0])
      #expect(try (1...600_000).contains(#require(report.partitions[0].leaseMilliseconds)))
      #expect(report.messaging.map(\.instance) == ["messaging-1", "messaging-2"])
      #expect(report.messaging.map(\.isAlive) == [true, false])
      #expect(report.messaging.map(\.partitions) == [1, 0])
      #expect(report.messaging[0].fields["host"] == "node-a")

      let table = try await self.inspect("partitions", redis: server.url)
      #expect(table.text.contains("messaging-1"))
      #expect(table.text.contains("(none)"))
    }
  }

  private struct Gateways: Decodable {
    struct Gateway: Decodable {
      let gateway: String
      let isAlive: Bool
      let length: Int
      let fields: [String: String]
    }
    let gateways: [Gateway]
    let total: Int
  }

  @Test("gateways tells those whose stream is there from those that are gone")
  func gateways() async throws {
    try await self.withRedis { server, redis in
      try await redis("SADD", "connect:gateways", "g1", "g2")
      try await redis(
        "HSET", "connect:gateway:{g1}", "address", "10.0.0.1:8080", "connections", "7")
      try await redis("XADD", "connect:outgoing:{g1}", "*", "m", "x")
      let report = try await self.inspect("gateways", "--json", redis: server.url)
        .json(Gateways.self)
      #expect(report.total == 2)
      #expect(report.gateways.map(\.gateway) == ["g1", "g2"])
      #expect(report.gateways.map(\.isAlive) == [true, false])
      #expect(report.gateways.map(\.length) == [1, 0])
      #expect(report.gateways[0].fields["address"] == "10.0.0.1:8080")

      let table = try await self.inspect("gateways", redis: server.url)
      #expect(table.text.contains("10.0.0.1:8080"))
      let overview = try await self.inspect(redis: server.url)
      #expect(overview.text.contains("1 alive, 1 gone, 7 connections"))
    }
  }

  // MARK: A user

  private struct User: Decodable {
    struct Session: Decodable {
      let device: String
      let isGatewayAlive: Bool
    }
    struct Cursor: Decodable {
      let device: String
      let acked: String
      let lastSeenSeconds: Int?
      let behind: Int
      let isBehindMore: Bool
    }
    struct Mailbox: Decodable {
      let length: Int
      let oldest: String?
      let newest: String?
      let removed: String?
    }
    let partition: Int
    let incoming: String
    let sessions: [Session]
    let cursors: [Cursor]
    let mailbox: Mailbox
  }

  @Test("user counts what each device has not acked, and knows which gateways are gone")
  func user() async throws {
    try await self.withRedis { server, redis in
      for number in 11...1_500 {
        try await redis("XADD", "connect:mailbox:{bob}", "\(number)-0", "m", "x")
      }
      try await redis("XADD", "connect:outgoing:{g1}", "*", "m", "x")
      try await redis("HSET", "connect:session:{bob}", "phone", "g1/c1", "tablet", "g2/c2")
      try await redis(
        "HSET", "connect:cursor:{bob}", "phone", "1500-0 1700000000", "tablet", "1300-0", "old",
        "0-0 1", "late", "20-0", "!removed", "10-0")
      let user = try await self.inspect("user", "bob", "--json", redis: server.url)
        .json(User.self)
      #expect(user.sessions.map(\.device) == ["phone", "tablet"])
      #expect(user.sessions.map(\.isGatewayAlive) == [true, false])
      let cursors = Dictionary(uniqueKeysWithValues: user.cursors.map { ($0.device, $0) })
      #expect(cursors["phone"]?.behind == 0)
      #expect(cursors["phone"]?.lastSeenSeconds == 1_700_000_000)
      #expect(cursors["tablet"]?.behind == 200)
      #expect(cursors["tablet"]?.lastSeenSeconds == nil)
      #expect(cursors["old"]?.behind == 1_490)
      // Counting has a limit.
      #expect(cursors["late"]?.isBehindMore == true)
      #expect(try #require(cursors["late"]).behind >= 1_024)
      #expect(user.cursors.count == 4)
      #expect(user.mailbox.length == 1_490)
      #expect(user.mailbox.oldest == "11-0")
      #expect(user.mailbox.newest == "1500-0")
      #expect(user.mailbox.removed == "10-0")
      #expect(user.incoming.hasPrefix("connect:incoming:{p\(user.partition)"))

    }
  }

  @Test("says on standard error, and by exit code 1, that nothing is known of a user")
  func unknownUser() async throws {
    try await self.withRedis { server, redis in
      let said = """
        connect: nothing is known of nobody: no session, no device, no mailbox; check the name, \
        whose case matters, and --key-prefix
        """
      let nobody = try await self.inspect("user", "nobody", redis: server.url)
      #expect(nobody.code == 1)
      #expect(nobody.lines == [])
      #expect(nobody.errors == [said])
      // For programs, the same object as for everybody.
      let json = try await self.inspect("user", "nobody", "--json", redis: server.url)
      #expect(json.code == 1)
      #expect(json.errors == [said])
      #expect(try json.json(User.self).mailbox.length == 0)
      // A device that is remembered is enough to be known.
      try await redis("HSET", "connect:cursor:{known}", "phone", "1-0 1700000000")
      #expect(try await self.inspect("user", "known", redis: server.url).code == 0)
    }
  }

  // MARK: Dead letters

  private struct DeadLetters: Decodable {
    struct Content: Decodable {
      let text: String?
      let hexadecimal: String?
    }
    struct Message: Decodable {
      let kind: String
      let from: String
      let to: String
      let id: String
      let flags: [String]
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
    try await self.withRedis { server, redis in
      let key = "connect:deadletter"
      try await redis(
        "XADD", key, "1-0", "reason", "five attempts failed", "origin", "\(Self.incoming) 9-0",
        "attempts", "5", "m", Self.envelope(id: "m1", body: #"{"text":"\u0068i"}"#))
      try await redis(
        "XADD", key, "2-0", "reason", "unknown form", "origin", "\(Self.incoming) 10-0",
        "attempts", "1", "field.a", "b\u{1B}[2J")
      for number in 3...5 { try await redis("XADD", key, "\(number)-0", "reason", "x", "m", "?") }

      let newest = try await self.inspect(
        "deadletters", "--limit", "2", "--json", redis: server.url
      ).json(DeadLetters.self)
      #expect(newest.total == 5)
      #expect(newest.deadLetters.map(\.offset) == ["5-0", "4-0"])
      let table = try await self.inspect("deadletters", "list", "--limit", "4", redis: server.url)
      #expect(table.lines.count == 6)
      #expect(table.text.contains("unknown form"))
      #expect(table.lines.last == "and 1 older; see --limit")

      let shown = try await self.inspect("deadletters", "show", "1-0", "--json", redis: server.url)
        .json(DeadLetters.Letter.self)
      #expect(shown.attempts == 5)
      #expect(shown.origin == "\(Self.incoming) 9-0")
      let message = try #require(shown.message)
      #expect(message.kind == "message")
      #expect([message.from, message.to, message.id] == ["alice", "bob", "m1"])
      #expect(message.body.text == #"{"text":"\u0068i"}"#)
      let other = try await self.inspect("deadletters", "show", "2-0", redis: server.url)
      #expect(other.text.contains("field a"))
      #expect(!other.text.contains("\u{1B}"), "what others wrote reaches the terminal")

      let missing = try await self.inspect("deadletters", "show", "7-0", redis: server.url)
      #expect(missing.code == 1)
      #expect(missing.errors == ["connect: there is no dead letter 7-0"])
      let unclear = try await self.inspect("deadletters", "drop", redis: server.url)
      #expect(unclear.code == 64)

      let dropped = try await self.inspect("deadletters", "drop", "2-0", redis: server.url)
      #expect(dropped.lines == ["dropped 1 dead letter"])
      let kept = try await self.inspect("deadletters", "requeue", "3-0", redis: server.url)
      #expect(kept.code == 1)
      #expect(kept.text.contains("3-0: kept"))
      let all = try await self.inspect("deadletters", "drop", "--all", redis: server.url)
      #expect(all.lines == ["dropped 4 dead letters"])
      let none = try await self.inspect("deadletters", redis: server.url)
      #expect(none.lines == ["no dead letters"])
    }
  }

  @Test("a requeued dead letter is delivered, and stored once even where it was stored before")
  func requeue() async throws {
    try await Deployment.with(gateways: 1) { deployment in
      let redis = try await RedisByHand(deployment.redis.adminURL)
      for id in ["m1", "m2", "m1"] {
        try await redis(
          "XADD", "connect:deadletter", "*", "reason", "test", "origin", "x 1-0", "attempts", "5",
          "m", Self.envelope(id: id, body: #"{"text":"\#(id)"}"#))
      }
      let requeued = try await self.inspect(
        "deadletters", "requeue", "--all", redis: deployment.redis.adminURL)
      #expect(requeued.code == 0)
      #expect(requeued.lines.last == "requeued 3, kept 0")
      let left = try await redis.integer("XLEN", "connect:deadletter")
      #expect(left == 0)

      let bob = try Program([
        "chat", "--as", "bob", "--to", "alice", "--url", deployment.gateways[0].url, "--lines",
        "--listen", "--count", "2",
      ])
      let code = try await bob.exitCode()
      #expect(code == 0, "\(bob.errors)")
      #expect(bob.output == ["m1", "m2"])
      _ = try await eventually("the repeat is processed") { () -> Bool? in
        try await deployment.isIdle(redis) ? true : nil
      }
      let stored = try await redis.integer("XLEN", "connect:mailbox:{bob}")
      #expect(stored == 2)

      // What running services wrote of themselves.
      let report = try await self.inspect("gateways", "--json", redis: deployment.redis.adminURL)
        .json(Gateways.self)
      #expect(report.gateways.map(\.isAlive) == [true])
      #expect(report.gateways.first?.fields["address"] != nil)
      // A cursor is stored a little after the ack.
      _ = try await eventually("bob's cursor is stored") { () -> Bool? in
        let user = try await self.inspect("user", "bob", "--json", redis: deployment.redis.adminURL)
          .json(User.self)
        return user.cursors.map(\.behind) == [0] && user.mailbox.length == 2 ? true : nil
      }
      try await redis.close()
    }
  }

  // MARK: What goes wrong

  @Test("a Redis that is not there ends it with 69, at once and with one line")
  func unreachable() async throws {
    let result = try await self.inspect("streams", redis: "redis://127.0.0.1:1")
    #expect(result.code == 69)
    #expect(result.errors.count == 1)
    #expect(result.errors.first?.contains("--redis-url") == true)
  }

  @Test("keys of another program, and commands that are not allowed, are named")
  func wrongRedis() async throws {
    try await self.withRedis { server, redis in
      try await redis("SET", "connect:deadletter", "something else")
      let other = try await self.inspect("deadletters", redis: server.url)
      #expect(other.code == 1)
      #expect(other.errors.count == 1)
      #expect(other.errors.first?.contains("--key-prefix") == true)

      try await redis("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-info")
      let url = "redis://app:secret@127.0.0.1:\(server.port)"
      let refused = try await self.inspect(redis: url)
      #expect(refused.code == 77)
      #expect(refused.errors.first?.contains("info") == true)
      #expect(refused.errors.first?.contains("secret") == false)
    }
  }

  @Test("the number of partitions is the data's, whatever is configured")
  func otherPartitions() async throws {
    try await self.withRedis { server, _ in
      let result = try await self.inspect(
        "partitions", "--json", "--partitions", "7", redis: server.url)
      #expect(try result.json(Partitions.self).partitions.count == Self.partitions)
      #expect(result.errors.count == 1)
    }
  }
}

extension Deployment {
  /// Whether no partition holds anything that is to be processed.
  fileprivate func isIdle(_ redis: RedisByHand) async throws -> Bool {
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

/// Commands by hand.
private final class RedisByHand: Sendable {
  private let client: any RedisClient

  init(_ url: String) async throws {
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    self.client = try await RedisClients.connect(
      RedisConfiguration(url: RedisURL(parsing: url)), on: eventLoop,
      logger: Logger(label: "test")
    ).makeClient(on: eventLoop)
    try await self.client.whenReady().get()
  }

  private func execute(_ words: [String]) async throws -> ReplyCursor {
    var batch = RedisBatch()
    let bytes = words.reduce(0) { $0 + $1.utf8.count }
    let key = words.count > 1 ? RedisKey(words[1]) : nil
    batch.append(arguments: words.count, key: key, bytes: bytes) { writer in
      for word in words { writer.bulk(word) }
    }
    return try await self.client.execute(batch).cursor(0)
  }

  func callAsFunction(_ words: String...) async throws { _ = try await self.execute(words) }

  func integer(_ words: String...) async throws -> Int {
    var cursor = try await self.execute(words)
    return try cursor.integer()
  }

  func close() async throws { try await self.client.close().get() }
}
