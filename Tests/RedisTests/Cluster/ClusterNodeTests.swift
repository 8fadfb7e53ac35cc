import LocalCluster
import LocalRedis
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import Redis

@Suite("A client's view of one node of a cluster", .serialized, .timeLimit(.minutes(20)))
struct ClusterNodeTests {
  /// Others wait for what is under way, to come behind it.
  @Test("does not take for answered what is under way when more is refused")
  func refusedBehindUnanswered() async throws {
    try await RedisFixture.withCluster { cluster in
      let server = cluster.nodes[0]
      let key = key(in: try await cluster.slot(of: server), "refused")
      try await withClusterClient(cluster) { client in
        let cluster = try #require(client as? ClusterClient)
        try await client.execute(key: key, "SET", "\(key)", "x").check()
        server.pause()
        let half = String(repeating: "x", count: RedisLimits.maximumUnansweredBytes * 5 / 8)
        let (taken, counts) = try await client.eventLoop.submit {
          let node = cluster.nodes.values.first { $0.address.port == server.port }!
          var batch = RedisBatch()
          batch.append(key: key, "SETRANGE", "\(key)", "0", half)
          let promise = client.eventLoop.makePromise(of: RedisReplies.self)
          let before = node.answered
          client.submit(batch, timeout: .seconds(50)) { promise.succeed($0) }
          var refused = 0
          for _ in 0..<3 {
            client.submit(batch) { if $0.failure(0)?.isUnavailable == true { refused += 1 } }
          }
          return (
            promise.futureResult, [refused, Int(node.answered - before), node.isBusy ? 1 : 0]
          )
        }.get()
        #expect(counts == [3, 0, 1])
        server.resume()
        try await taken.get().check()
        let isIdle = try await client.eventLoop.submit {
          cluster.nodes.values.allSatisfy { !$0.isBusy }
        }.get()
        #expect(isIdle)
      }
    }
  }

  @Test("keeps back nothing that other nodes have answered")
  func partByPart() async throws {
    var options = LocalRedisCluster.Options()
    options.nodeTimeoutMilliseconds = 30_000
    try await RedisFixture.withCluster(options) { cluster in
      let paused = cluster.nodes[1]
      try await withClusterClient(cluster) { client in
        var batch = RedisBatch()
        var late: Set<Int> = []
        for number in 0..<60 {
          let key = RedisKey("part:\(number)")
          if try await cluster.primary(of: key.slot.number) === paused { late.insert(number) }
          batch.append(key: key, "SET", "\(key)", "x")
          try await client.execute(key: key, "DEL", "\(key)").check()
        }
        try #require(!late.isEmpty && late.count < 60)
        let settled = NIOLoopBoundBox<[Int]>.makeBoxSendingValue([], eventLoop: client.eventLoop)
        paused.pause()
        let all = try await client.eventLoop.submit { [batch] in
          let promise = client.eventLoop.makePromise(of: RedisReplies.self)
          let answers = BatchAnswers(count: batch.count) { promise.succeed($0) }
          client.submit(batch, timeout: .seconds(50)) { commands, replies in
            #expect(replies.count == commands.count)
            settled.value += commands
            answers.settle(commands, replies)
          }
          return promise.futureResult
        }.get()
        let early = try await eventually {
          try await client.eventLoop.submit { [late] in settled.value.count == 60 - late.count }
            .get()
        }
        #expect(early)
        let missing = try await client.eventLoop.submit {
          Set(0..<60).subtracting(settled.value)
        }.get()
        #expect(missing == late)
        paused.resume()
        try await all.get().check()
        let counts = try await client.eventLoop.submit { settled.value.sorted() }.get()
        #expect(counts == Array(0..<60))
      }
    }
  }

  @Test("sends nothing again once the time of its batch is over")
  func overdueInHold() async throws {
    try await RedisFixture.withCluster { cluster in
      let (source, target) = (cluster.nodes[0], cluster.nodes[2])
      let slot = try await cluster.slot(of: source)
      let other = try await cluster.slot(of: source, except: [slot.number])
      let (counter, none) = (key(in: slot, "counter"), key(in: other, "none"))
      try await withClusterClient(cluster) { client in
        try await client.execute(key: counter, "SET", "\(counter)", "0").check()
        // The client does not know, and learns it while another answer of that node is long due.
        try await cluster.migrate(slot: slot.number, to: target)
        @Sendable func send(
          _ key: RedisKey, _ milliseconds: Int64, _ words: String...
        ) -> EventLoopFuture<RedisReplies> {
          let promise = client.eventLoop.makePromise(of: RedisReplies.self)
          var batch = RedisBatch()
          batch.append(key: key, words: words)
          client.submit(batch, timeout: .milliseconds(milliseconds)) { promise.succeed($0) }
          return promise.futureResult
        }
        let redirected = try await client.eventLoop.submit {
          [
            send(counter, 60_000, "INCRBY", "\(counter)", "1"),
            send(none, 60_000, "BLPOP", "\(none)", "0"),
          ]
        }.get()
        let itself = try #require(client as? ClusterClient)
        let isHeld = try await eventually {
          try await client.eventLoop.submit { !itself.holds.isEmpty }.get()
        }
        #expect(isHeld)
        let held = try await client.eventLoop.submit {
          [
            send(counter, 1_000, "INCRBY", "\(counter)", "10"),
            send(counter, 60_000, "INCRBY", "\(counter)", "100"),
          ]
        }.get()
        try await Task.sleep(for: .milliseconds(1_500))
        _ = try await source.command("LPUSH", "\(none)", "x")
        var replies: [RedisReplies] = []
        for future in redirected + held { replies.append(try await future.get()) }
        #expect(try replies[0].trees == [.integer(1)])
        #expect(try replies[1].trees == [.array([.string("\(none)"), "x"])])
        #expect(replies[2].failure(0)?.mayHaveBeenExecuted == false)
        #expect(try replies[3].trees == [.integer(101)])
      }
    }
  }

  @Test("opens no connection any more once the client is closed, whatever is to be sent again")
  func closedWhileRedirected() async throws {
    try await RedisFixture.withCluster { cluster in
      let (source, target) = (cluster.nodes[0], cluster.nodes[2])
      let slot = try await cluster.slot(of: source)
      let keys = (0..<40).map { key(in: slot, "closed:\($0)") }
      // Half of the keys are there already, for ASK.
      try await withClusterClient(cluster) { client in
        for key in keys { try await client.execute(key: key, "SET", "\(key)", "0").check() }
      }
      struct Interruption: Error {}
      let steps = Counter()
      await #expect(throws: Interruption.self) {
        try await cluster.migrate(slot: slot.number, to: target, keysPerStep: 1) {
          if steps.increment() == 21 { throw Interruption() }
        }
      }
      for round in 0..<80 {
        let counts = try await withFactory(cluster.url) { factory in
          // Closed once, in the middle.
          let client = factory.makeClient(on: MultiThreadedEventLoopGroup.singleton.next())
          let first = keys[round % 40]
          try await client.execute(key: first, "INCR", "\(first)").check()
          return try await client.eventLoop.flatSubmit {
            let counts = NIOLoopBoundBox(
              [Int](repeating: 0, count: 40), eventLoop: client.eventLoop)
            let promise = client.eventLoop.makePromise(of: [Int].self)
            for number in 0..<40 {
              var batch = RedisBatch()
              // In turn of those that are gone, which are the youngest, and of the others.
              let key = keys[number % 2 == 0 ? 39 - number / 2 : number / 2]
              batch.append(key: key, "INCR", "\(key)")
              client.submit(batch) { _ in
                counts.value[number] += 1
                if counts.value.reduce(0, +) == round % 40 + 1 { _ = client.close() }
                if !counts.value.contains(0) { promise.succeed(counts.value) }
              }
            }
            return promise.futureResult
          }.get()
        }
        #expect(counts == Array(repeating: 1, count: 40))
      }
      for node in [source, target] {
        #expect(try await eventually(within: .seconds(10)) { try await node.clientCount() == 0 })
      }
    }
  }
}

/// Counts from any thread.
private final class Counter: Sendable {
  private let count = Mutex(0)

  func increment() -> Int {
    self.count.withLock { count in
      count += 1
      return count
    }
  }
}
