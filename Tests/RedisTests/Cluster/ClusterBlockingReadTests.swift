import LocalCluster
import LocalRedis
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import Redis

@Suite("A blocking read in a cluster", .serialized, .timeLimit(.minutes(20)))
struct ClusterBlockingReadTests {
  /// Long, so that a read that ends was not merely over.
  private static let block: TimeAmount = .seconds(60)

  private func group(on key: RedisKey) -> RedisBatch {
    var batch = RedisBatch()
    batch.append(key: key, "XGROUP", "CREATE", "\(key)", "group", "0", "MKSTREAM")
    return batch
  }

  private func read(_ key: RedisKey, isGroup: Bool) -> RedisBatch {
    var batch = RedisBatch()
    batch.isBlocking = true
    let block = "\(Self.block.nanoseconds / 1_000_000)"
    if isGroup {
      batch.append(
        key: key, "XREADGROUP", "GROUP", "group", "reader", "COUNT", "10", "BLOCK", block,
        "STREAMS", "\(key)", ">")
    } else {
      batch.append(key: key, "XREAD", "COUNT", "10", "BLOCK", block, "STREAMS", "\(key)", "$")
    }
    return batch
  }

  /// Begins to read, changes the cluster once the read has arrived, and returns what came of it.
  private func outcome(
    _ reader: any RedisClient, _ batch: RedisBatch, at node: LocalRedisServer,
    while change: () async throws -> Void
  ) async throws -> (replies: RedisReplies, milliseconds: Int64) {
    let start = NIODeadline.now()
    let pending = try await reader.eventLoop.submit {
      let promise = reader.eventLoop.makePromise(of: (RedisReplies, NIODeadline).self)
      reader.submit(batch, timeout: Self.block + .seconds(2)) { promise.succeed(($0, .now())) }
      return promise.futureResult
    }.get()
    #expect(try await eventually { try await self.waits(at: node) })
    try await change()
    let (replies, end) = try await pending.get()
    return (replies, (end - start).nanoseconds / 1_000_000)
  }

  /// Whether a read gets what is written while it waits, as it must whatever was before.
  private func expectWorks(
    _ reader: any RedisClient, _ writer: any RedisClient, _ key: RedisKey, isGroup: Bool
  ) async throws {
    let isAnswered = try await eventually(within: .seconds(30)) {
      async let replies = reader.execute(
        self.read(key, isGroup: isGroup), timeout: Self.block + .seconds(2))
      for _ in 0..<3 {
        _ = await writer.execute(key: key, timeout: .seconds(3), "XADD", "\(key)", "*", "m", "1")
        try await Task.sleep(for: .milliseconds(20))
      }
      return await replies.failure(0) == nil
    }
    #expect(isAnswered)
  }

  /// The slot of a stream that is to move, and who works on it.
  private struct Stage {
    let cluster: LocalRedisCluster
    let source: LocalRedisServer
    let target: LocalRedisServer
    let slot: HashSlot
    let key: RedisKey
    let writer: any RedisClient
    let reader: any RedisClient

    func migrate() async throws {
      try await self.cluster.migrate(slot: self.slot.number, to: self.target)
    }

    func write() async throws {
      try await self.writer.execute(key: self.key, "XADD", "\(self.key)", "*", "m", "1").check()
    }
  }

  private func onStage(_ body: (Stage) async throws -> Void) async throws {
    try await RedisFixture.withCluster { cluster in
      let slot = try await cluster.slot(of: cluster.nodes[0])
      try await withFactory(cluster.url) { factory in
        try await factory.withClient { writer in
          try await factory.withClient { reader in
            try await body(
              Stage(
                cluster: cluster, source: cluster.nodes[0], target: cluster.nodes[1], slot: slot,
                key: key(in: slot, "stream"), writer: writer, reader: reader))
          }
        }
      }
    }
  }

  @Test("is sent again to the node that gets its slot")
  func migration() async throws {
    try await self.onStage { stage in
      // Without the stream nothing of it moves, and the read waits until the slot has moved.
      let batch = read(stage.key, isGroup: false)
      let (replies, milliseconds) = try await outcome(stage.reader, batch, at: stage.source) {
        try await stage.migrate()
        #expect(
          try await eventually(within: .seconds(15)) { try await self.waits(at: stage.target) })
        try await stage.write()
      }
      #expect(replies.failure(0) == nil)
      #expect(milliseconds < Self.block.nanoseconds / 1_000_000)
      try await expectWorks(stage.reader, stage.writer, stage.key, isGroup: false)
    }
  }

  @Test("is answered by itself where several are sent again, one after the other")
  func several() async throws {
    try await self.onStage { stage in
      let batch = read(stage.key, isGroup: false)
      let answered = NIOLockedValueBox<[Int]>([])
      try await stage.reader.eventLoop.submit {
        for number in 0..<3 {
          stage.reader.submit(batch, timeout: Self.block + .seconds(2)) { replies in
            answered.withLockedValue { $0.append(replies.failure(0) == nil ? number : -1) }
          }
        }
      }.get()
      try await eventually("the first one waits") { try await self.waits(at: stage.source) }
      try await stage.migrate()
      for number in 0..<3 {
        try await eventually("the next one waits") { try await self.waits(at: stage.target) }
        try await stage.write()
        try await eventually("after \(number + 1) entries \(number + 1) are answered") {
          answered.withLockedValue { $0 } == Array(0...number)
        }
      }
    }
  }

  private func waits(at node: LocalRedisServer) async throws -> Bool {
    try await node.command("INFO", "clients").string?.contains("\r\nblocked_clients:1\r\n") == true
  }

  @Test("of a group ends when its stream moves, and works at the node where that is")
  func groupMigration() async throws {
    try await self.onStage { stage in
      try await stage.writer.execute(group(on: stage.key)).check()
      let batch = read(stage.key, isGroup: true)
      let (replies, milliseconds) = try await outcome(stage.reader, batch, at: stage.source) {
        try await stage.migrate()
      }
      #expect(milliseconds < Self.block.nanoseconds / 1_000_000)
      let error = try #require(replies.serverError(0))
      #expect(error.isTransient, "\(error.message)")
      try await expectWorks(stage.reader, stage.writer, stage.key, isGroup: true)
    }
  }

  enum Loss: CaseIterable {
    case failOver
    case death
  }

  @Test(
    "ends in bounded time when its node is replaced, and the next one works",
    arguments: Loss.allCases, [false, true])
  func replaced(loss: Loss, isGroup: Bool) async throws {
    var options = LocalRedisCluster.Options()
    options.replicasPerPrimary = 1
    options.nodeTimeoutMilliseconds = LocalRedisCluster.Options.shortNodeTimeoutMilliseconds
    try await RedisFixture.withCluster(options) { cluster in
      let primary = try await cluster.primaries()[0]
      let slot = try await cluster.slot(of: primary)
      let key = key(in: slot, "stream")
      try await withFactory(cluster.url) { factory in
        try await factory.withClient { writer in
          try await factory.withClient { reader in
            try await writer.execute(group(on: key)).check()
            // The group must be on the replica, too.
            try await primary.command("WAIT", "1", "4000")
            let batch = read(key, isGroup: isGroup)
            let (replies, milliseconds) = try await outcome(reader, batch, at: primary) {
              switch loss {
              case .failOver: _ = try await cluster.failOver(primary)
              case .death:
                await primary.kill()
                _ = try await cluster.waitForPromotion(of: primary)
              }
            }
            #expect(milliseconds < Self.block.nanoseconds / 1_000_000)
            switch loss {
            case .failOver: #expect(replies.serverError(0)?.code == "UNBLOCKED")
            case .death: #expect(replies.failure(0)?.mayHaveBeenExecuted == true)
            }
            try await expectWorks(reader, writer, key, isGroup: isGroup)
          }
        }
      }
    }
  }
}
