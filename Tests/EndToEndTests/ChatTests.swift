import ConnectBench
import Foundation
import LocalRedis
import TestSupport
import Testing

/// Conversations through whole deployments, with `connect chat` at both ends.
@Suite("A conversation through separate processes")
struct ChatTests {
  static let count = 10_000

  private static let lines = (0..<count).map { "line \($0) of a long conversation" }

  private func receiver(_ deployment: Deployment) throws -> Program {
    try Program([
      "chat", "--as", "bob", "--to", "alice", "--url", deployment.gateways[1].url, "--lines",
      "--listen", "--count", "\(Self.count)",
    ])
  }

  private func sender(_ deployment: Deployment) throws -> Program {
    try Program(
      ["chat", "--as", "alice", "--to", "bob", "--url", deployment.gateways[0].url, "--lines"],
      input: .pipe)
  }

  /// Writes from a thread of its own: the pipe takes as much as the sender reads.
  private func write(_ lines: [String], to program: Program) async {
    let input = program.process.input
    await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
      Thread.detachNewThread {
        for line in lines { _ = try? input?.write(line + "\n") }
        input?.close()
        done.resume()
      }
    }
  }

  /// Says what differs in few words: nobody reads ten thousand lines.
  private func expectAllInOrder(_ output: [String], sender: Program, receiver: Program) {
    guard output != Self.lines else { return }
    let counted = Dictionary(grouping: output) { $0 }.mapValues(\.count)
    let repeated = counted.filter { $0.value > 1 }.keys.sorted().prefix(5)
    let missing = Self.lines.filter { counted[$0] == nil }.prefix(5)
    let first = zip(output, Self.lines).first { $0 != $1 }
    Issue.record(
      """
      \(output.count) of \(Self.lines.count) lines; repeated: \(repeated); missing: \(missing); \
      first difference: \(String(describing: first)); sender: \(sender.errors); \
      receiver: \(receiver.errors)
      """)
  }

  /// The exit code of a receiver, which may take its time as long as lines come.
  private func exitCode(of receiver: Program) async throws -> Int32 {
    var count = -1
    while receiver.process.exitStatus == nil, receiver.output.count > count {
      count = receiver.output.count
      _ = try await eventually {
        receiver.process.exitStatus != nil || receiver.output.count > count
      }
    }
    guard receiver.process.exitStatus != nil else {
      throw TestFailure("no line came behind \(count) of \(Self.count); \(receiver.errors)")
    }
    return try await receiver.exitCode()
  }

  @Test("10,000 lines through two gateways arrive in order and once")
  func inOrderAndOnce() async throws {
    try await Deployment.with { deployment in
      let bob = try receiver(deployment)
      let alice = try sender(deployment)
      await write(Self.lines, to: alice)
      #expect(try await alice.exitCode() == 0, "\(alice.errors)")
      #expect(try await exitCode(of: bob) == 0, "\(bob.errors)")
      expectAllInOrder(bob.output, sender: alice, receiver: bob)
      #expect(try await deployment.mailboxLength(of: "bob") == Self.count)
    }
  }

  @Test("messaging killed twice in the middle loses, repeats and reorders nothing")
  func messagingKilled() async throws {
    try await Deployment.with { deployment in
      let bob = try receiver(deployment)
      let alice = try sender(deployment)
      async let written: Void = write(Self.lines, to: alice)
      for share in [Self.count / 4, Self.count / 2] {
        _ = try await eventually("there are \(share) lines; there are \(bob.output.count)") {
          bob.output.count >= share ? true : nil
        }
        try await deployment.replaceMessaging()
      }
      await written
      #expect(try await alice.exitCode() == 0, "\(alice.errors)")
      #expect(try await exitCode(of: bob) == 0, "\(bob.errors)")
      expectAllInOrder(bob.output, sender: alice, receiver: bob)
      #expect(try await deployment.mailboxLength(of: "bob") == Self.count)
    }
  }

  @Test("Redis stopped and started again under traffic: the sockets stay, and all arrives once")
  func redisRestarted() async throws {
    let persistence = LocalRedisServer.Persistence.appendOnly(fsync: .always)
    try await Deployment.with(persistence: persistence) { deployment in
      let bob = try receiver(deployment)
      let alice = try sender(deployment)
      async let written: Void = write(Self.lines, to: alice)
      try await eventually("there is a quarter of the lines") {
        bob.output.count >= Self.count / 4
      }
      // Killed, not stopped: stop() would remove the temporary directory with the data.
      await deployment.redis.kill()
      try await deployment.redis.restart()
      await written
      #expect(try await alice.exitCode() == 0, "\(alice.errors)")
      #expect(try await exitCode(of: bob) == 0, "\(bob.errors)")
      #expect(Set(bob.output) == Set(Self.lines), "what alice was told is accepted must arrive")
      #expect(bob.output.count == Self.count, "nothing may arrive twice")
      #expect(try await deployment.mailboxLength(of: "bob") == Self.count)
      for program in [alice, bob] {
        let reconnects = program.errors.filter { $0.contains("reconnect") }
        #expect(reconnects.isEmpty, "the gateways keep their sockets")
      }
    }
  }

  @Test("--count takes so many messages, and leaves the rest for another time")
  func count() async throws {
    try await Deployment.with(gateways: 1) { deployment in
      let alice = try sender(deployment)
      let lines = Array(Self.lines.prefix(100))
      await write(lines, to: alice)
      #expect(try await alice.exitCode() == 0, "\(alice.errors)")
      var seen: [String] = []
      for count in [30, 70] {
        let bob = try Program([
          "chat", "--as", "bob", "--to", "alice", "--url", deployment.gateways[0].url, "--lines",
          "--listen", "--count", "\(count)",
        ])
        #expect(try await bob.exitCode() == 0, "\(bob.errors)")
        #expect(bob.output.count == count)
        seen += bob.output
      }
      #expect(seen == lines)
    }
  }
}
