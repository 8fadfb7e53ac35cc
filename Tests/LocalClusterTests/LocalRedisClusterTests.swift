import Foundation
import LocalCluster
import Synchronization
import TestSupport
import Testing

@testable import LocalRedis

@Suite("A private Redis cluster", .serialized, .timeLimit(.minutes(20)))
struct LocalRedisClusterTests {
  @Test("is ready once it has started, its slots shared evenly, and gone once stopped")
  func startAndStop() async throws {
    let cluster = try await LocalRedisCluster.start()
    let nodes = cluster.nodes
    let ports = nodes.map { "127.0.0.1:\($0.port)" }.joined(separator: ",")
    #expect(cluster.url == "redis://\(ports)")
    #expect(cluster.tlsURL == nil)
    #expect(try await cluster.primaries().map(\.port) == nodes.map(\.port))
    #expect(try await cluster.primary(of: 0) === nodes[0])
    #expect(try await cluster.primary(of: 16_383) === nodes[2])
    for number in 0..<30 { try await set("key:\(number)", to: "value", in: cluster) }
    await cluster.stop()
    for node in nodes {
      #expect(!isRunning(node.processIdentifier))
      #expect(!FileManager.default.fileExists(atPath: node.dataDirectory))
    }
  }

  @Test("has replicas that are in sync, and take over by hand, there and back")
  func failOver() async throws {
    try await RedisFixture.withCluster(replicated()) { cluster in
      for primary in try await cluster.primaries() {
        let replica = try #require(try await cluster.replicas(of: primary).first)
        let info = try #require(try await replica.command("INFO", "replication").string)
        #expect(info.contains("master_link_status:up"))
      }
      let first = try await cluster.primaries()[0]
      let key = try await key(of: first, in: cluster)
      try await first.command("SET", key, "value")
      let second = try await cluster.failOver(first)
      #expect(second !== first)
      #expect(try await cluster.primaries().contains { $0 === second })
      #expect(try await cluster.replicas(of: second).map(\.port) == [first.port])
      #expect(try await second.command("GET", key).string == "value")
      #expect(try await cluster.failOver(second) === first)
      #expect(try await first.command("GET", key).string == "value")
    }
  }

  @Test("replaces a primary that was killed or paused, which then comes back as a replica")
  func promotion() async throws {
    try await RedisFixture.withCluster(replicated()) { cluster in
      let killed = try await cluster.primaries()[1]
      let slot = try await slot(of: killed, in: cluster)
      await killed.kill()
      let promoted = try await cluster.waitForPromotion(of: killed)
      #expect(try await cluster.primary(of: slot) === promoted)
      try await cluster.waitUntilOK()
      try await killed.restart()
      try await cluster.waitUntilOK()
      #expect(try await cluster.replicas(of: promoted).map(\.port) == [killed.port])

      promoted.pause()
      #expect(try await cluster.waitForPromotion(of: promoted) === killed)
      promoted.resume()
      try await cluster.waitUntilOK()
      #expect(try await cluster.replicas(of: killed).map(\.port) == [promoted.port])
    }
  }

  @Test("moves a slot while its keys are read and written, and tells clients where they are")
  func migration() async throws {
    let cluster = try await SharedRedis.cluster()
    let source = try await cluster.primaries()[0]
    let target = try await cluster.primaries()[2]
    let key = try await key(of: source, in: cluster)
    let slot = try #require(try await source.command("CLUSTER", "KEYSLOT", key).integer)
    let keys = (0..<300).map { "\(key):\($0)" }
    for key in keys { try await source.command("SET", key, "0") }

    let counts = Mutex(Counts())
    try await cluster.migrate(slot: slot, to: target, keysPerStep: 40) {
      counts.withLock { $0.steps += 1 }
      for key in keys.indices.filter({ $0 % 15 == 0 }).map({ keys[$0] }) {
        do {
          try await source.command("INCR", key)
          counts.withLock { $0.answered += 1 }
        } catch LocalRedisError.errorReply(_, _, "ASK \(slot) 127.0.0.1:\(target.port)") {
          #expect(try increment(key, asking: target))
          counts.withLock { $0.asked += 1 }
        }
      }
      await #expect {
        try await target.command("GET", keys[0])
      } throws: { error in
        "\(error)".hasSuffix("MOVED \(slot) 127.0.0.1:\(source.port)")
      }
    }
    let (steps, answered, asked) = counts.withLock { ($0.steps, $0.answered, $0.asked) }
    #expect(steps == 9, "before each of the eight steps, and at the end")
    #expect(answered > 20 && asked > 20)
    #expect(answered + asked == steps * 20)

    #expect(try await cluster.primary(of: slot) === target)
    for (number, key) in keys.enumerated() {
      #expect(try await target.command("GET", key).string == (number % 15 == 0 ? "9" : "0"))
    }
    for node in cluster.nodes where node !== target {
      await #expect {
        try await node.command("GET", keys[0])
      } throws: { error in
        "\(error)".hasSuffix("MOVED \(slot) 127.0.0.1:\(target.port)")
      }
    }
    try await cluster.migrate(slot: slot, to: source)
    #expect(try await source.command("GET", keys[0]).string == "9")
  }

  @Test("goes on with a slot whose move was interrupted")
  func interruptedMigration() async throws {
    struct Interruption: Error {}
    let cluster = try await SharedRedis.cluster()
    let source = try await cluster.primaries()[1]
    let target = try await cluster.primaries()[0]
    let key = try await key(of: source, in: cluster)
    let slot = try #require(try await source.command("CLUSTER", "KEYSLOT", key).integer)
    for number in 0..<20 { try await source.command("SET", "\(key):\(number)", "value") }
    let steps = Mutex(0)
    await #expect(throws: Interruption.self) {
      try await cluster.migrate(slot: slot, to: target) {
        let step = steps.withLock { steps in
          steps += 1
          return steps
        }
        if step == 2 { throw Interruption() }
      }
    }
    #expect(try await cluster.primary(of: slot) === source)
    try await cluster.migrate(slot: slot, to: target)
    #expect(try await target.command("CLUSTER", "COUNTKEYSINSLOT", "\(slot)").integer == 20)
    try await cluster.migrate(slot: slot, to: source)
  }

  @Test("takes a primary in, gives it slots, and lets it go again")
  func addAndRemove() async throws {
    try await RedisFixture.withCluster { cluster in
      let added = try await cluster.addPrimary()
      #expect(cluster.nodes.last === added)
      #expect(cluster.url.hasSuffix(",127.0.0.1:\(added.port)"))
      let former = try await cluster.primary(of: 100)
      try await cluster.migrate(slot: 100, to: added)
      #expect(try await cluster.primaries().contains { $0 === added })
      await #expect {
        try await cluster.remove(added)
      } throws: { error in
        "\(error)".contains("migrate them first")
      }
      try await cluster.migrate(slot: 100, to: former)
      try await cluster.waitUntilOK()
      try await cluster.remove(added)
      #expect(!isRunning(added.processIdentifier))
      #expect(cluster.nodes.count == 3)
      try await cluster.waitUntilOK()
    }
  }

  @Test("keeps its data and its shape through a restart with append-only files")
  func restart() async throws {
    var options = LocalRedisCluster.Options()
    options.persistence = .appendOnly(fsync: .always)
    try await RedisFixture.withCluster(options) { cluster in
      let keys = (0..<20).map { "key:\($0)" }
      for key in keys { try await set(key, to: "value of \(key)", in: cluster) }
      let owners = try await cluster.primaries().map(\.port)
      try await cluster.restart()
      #expect(try await cluster.primaries().map(\.port) == owners)
      for key in keys {
        let slot = try await cluster.nodes[0].command("CLUSTER", "KEYSLOT", key).integer
        let owner = try await cluster.primary(of: try #require(slot))
        #expect(try await owner.command("GET", key).string == "value of \(key)")
      }
    }
  }

  @Test("that is not what is asked of it says so")
  func errors() async throws {
    let cluster = try await SharedRedis.cluster()
    let stranger = try await SharedRedis.server()
    await #expect(throws: LocalRedisError.self) { try await cluster.replicas(of: stranger) }
    await #expect {
      try await cluster.failOver(cluster.nodes[0])
    } throws: { error in
      "\(error)".contains("has no replica in sync")
    }
    await #expect(throws: LocalRedisError.self) { try await cluster.primary(of: 16_384) }
  }
}

private struct Counts: Sendable {
  var steps = 0
  var answered = 0
  var asked = 0
}

/// Three primaries with a replica each, which find out quickly that a node has ended.
private func replicated() -> LocalRedisCluster.Options {
  var options = LocalRedisCluster.Options()
  options.replicasPerPrimary = 1
  options.nodeTimeoutMilliseconds = LocalRedisCluster.Options.shortNodeTimeoutMilliseconds
  return options
}

/// A slot that a node owns.
private func slot(of primary: LocalRedisServer, in cluster: LocalRedisCluster) async throws -> Int {
  for slot in stride(from: 0, to: 16_384, by: 512)
  where try await cluster.primary(of: slot) === primary {
    return slot
  }
  throw LocalRedisError.impossible(reason: "the node owns no slots")
}

/// A key, as a tag for others, whose slot a node owns.
private func key(
  of primary: LocalRedisServer, in cluster: LocalRedisCluster
) async throws -> String {
  for number in 0..<1_000 {
    let key = "{tag\(number)}"
    let slot = try await primary.command("CLUSTER", "KEYSLOT", key).integer
    if try await cluster.primary(of: slot ?? -1) === primary { return key }
  }
  throw LocalRedisError.impossible(reason: "no key falls to the node")
}

private func set(_ key: String, to value: String, in cluster: LocalRedisCluster) async throws {
  let slot = try await cluster.nodes[0].command("CLUSTER", "KEYSLOT", key).integer
  try await cluster.primary(of: slot ?? -1).command("SET", key, value)
}

/// Adds one to a key as a client does that was told to ask another node.
private func increment(_ key: String, asking node: LocalRedisServer) throws -> Bool {
  let socket = try LoopbackSocket(port: node.port, deadline: .now + .seconds(5))
  let reply = try socket.ask(Array("ASKING\r\nINCR \(key)\r\n".utf8)) { bytes in
    let text = String(decoding: bytes, as: UTF8.self)
    return text.count { $0 == "\r\n" } == 2 ? text : nil
  }
  return reply.hasPrefix("+OK\r\n:")
}
