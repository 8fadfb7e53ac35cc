import LocalCluster
import LocalRedis
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import Redis

@Suite("Against a cluster, a client", .timeLimit(.minutes(20)))
struct ClusterClientTests {
  @Test("answers a batch over all nodes in the batch's order, with commands of no key among them")
  func order() async throws {
    try await withClusterClient(SharedRedis.cluster()) { client in
      var batch = RedisBatch()
      var expected: [ReplyTree] = []
      for number in 0..<300 {
        let key = RedisKey("order:\(number)")
        batch.append("ECHO", "\(number)")
        batch.append(key: key, "SET", "\(key)", "\(number)")
        batch.append(key: key, "RPUSH", "\(key)", "x")
        batch.value(of: key)
        batch.append(key: key, "DEL", "\(key)", "\(key)")
        expected += [
          .string("\(number)"), .string("OK"),
          .error("WRONGTYPE Operation against a key holding the wrong kind of value"),
          .string("\(number)"), .integer(1),
        ]
      }
      let replies = await client.execute(batch)
      let values = try replies.trees
      #expect(values == expected)
      #expect(!replies.areInOrder, "nodes had parts of it")
    }
  }

  @Test("tells that one node has executed a whole batch in its order")
  func oneNode() async throws {
    try await withClusterClient(SharedRedis.cluster()) { client in
      var batch = RedisBatch()
      for number in 0..<3 {
        let key = RedisKey("{one node}:\(number)")
        batch.append(key: key, "SET", "\(key)", "\(number)")
      }
      #expect(await client.execute(batch).areInOrder)
    }
  }

  @Test("is one for what stands behind the URL, or for what the mode says")
  func modes() async throws {
    let cluster = try await SharedRedis.cluster()
    let server = try await SharedRedis.server()
    try await withFactory(cluster.nodes[1].url) { factory in
      #expect(factory is ClusterClientFactory)
    }
    try await withFactory(server.url) { factory in
      #expect(factory is SingleServerClientFactory)
    }
    await #expect(
      throws: RedisError.server(RedisServerError("ERR This instance has cluster support disabled"))
    ) {
      try await withFactory(server.url, mode: .cluster) { _ in }
    }
    // Several hosts are nodes of a cluster, so the first one is none by mistake.
    await #expect(
      throws: RedisError.server(RedisServerError("ERR This instance has cluster support disabled"))
    ) {
      try await withFactory("\(server.url),127.0.0.1:\(server.port)") { _ in }
    }
    try await withFactory(cluster.nodes[0].url, mode: .single) { factory in
      #expect(factory is SingleServerClientFactory)
      try await factory.withClient { client in
        try await client.waitUntilReady()
        let elsewhere = try await cluster.slot(of: cluster.nodes[2])
        let key = key(in: elsewhere, "single")
        let failure = await client.execute(key: key, "GET", "\(key)").failure(0)
        let moved = "MOVED \(elsewhere.number) 127.0.0.1:\(cluster.nodes[2].port)"
        #expect(failure == .server(RedisServerError(moved)))
      }
    }
  }

  @Test("finds a cluster by any of its nodes that answers")
  func seeds() async throws {
    let node = try await SharedRedis.cluster().nodes[2]
    try await withFactory("redis://127.0.0.1:1,127.0.0.1:\(node.port)") { factory in
      try await factory.withClient { client in
        for number in 0..<20 {
          let key = RedisKey("seeds:\(number)")
          let values = try await client.execute(key: key, "SET", "\(key)", "x").trees
          #expect(values == [.string("OK")])
        }
      }
    }
    await #expect {
      try await withFactory("redis://127.0.0.1:1") { _ in }
    } throws: {
      "\($0)".contains("cannot connect to 127.0.0.1:1")
    }
  }

  @Test("connects only to the nodes that it needs, when it needs them")
  func lazyConnections() async throws {
    try await RedisFixture.withCluster { cluster in
      let nodes = cluster.nodes
      func counts() async throws -> [Int] {
        var counts: [Int] = []
        for node in nodes { counts.append(try await node.clientCount()) }
        return counts
      }
      try await withClusterClient(cluster) { client in
        #expect(try await client.isReadyNow())
        #expect(try await eventually { try await counts() == [0, 0, 0] })
        for (place, expected) in [
          (1, [0, 1, 0]), (1, [0, 1, 0]), (2, [0, 1, 1]), (0, [1, 1, 1]),
        ] {
          let key = key(in: try await cluster.slot(of: nodes[place]), "lazy")
          try await client.execute(key: key, "SET", "\(key)", "x").check()
          #expect(try await counts() == expected)
        }
        for _ in 0..<10 { try await client.execute("PING").check() }
        #expect(try await counts() == [1, 1, 1])
      }
      #expect(try await eventually { try await counts() == [0, 0, 0] })
    }
  }

  @Test("is freed when it was closed and nobody has it any more")
  func freed() async throws {
    weak var freed: ClusterClient?
    try await withFactory(SharedRedis.cluster().url) { factory in
      try await factory.withClient { client in
        freed = client as? ClusterClient
        #expect(freed != nil)
        for number in 0..<10 {
          let key = RedisKey("freed:\(number)")
          try await client.execute(key: key, "SET", "\(key)", "x").check()
        }
      }
    }
    #expect(try await eventually(within: .seconds(10)) { freed == nil })
  }

  @Test("executes a transaction as a whole, between other commands")
  func transactions() async throws {
    try await withClusterClient(SharedRedis.cluster()) { client in
      var batch = RedisBatch()
      for number in 0..<30 {
        let key = RedisKey("{transaction:\(number)}:a")
        let other = RedisKey("{transaction:\(number)}:b")
        batch.append(key: key, "DEL", "\(key)", "\(other)")
        batch.transaction(on: key) { batch in
          batch.append(key: key, "SET", "\(key)", "\(number)")
          batch.append(key: other, "RPUSH", "\(other)", "x")
          batch.value(of: key)
        }
        batch.append(key: key, "STRLEN", "\(key)")
      }
      let values = try await client.execute(batch).trees
      for number in 0..<30 {
        #expect(
          Array(values[(7 * number + 1)..<(7 * number + 7)]) == [
            .string("OK"), .string("QUEUED"), .string("QUEUED"), .string("QUEUED"),
            .array([.string("OK"), .integer(1), .string("\(number)")]),
            .integer("\(number)".utf8.count),
          ])
      }
      var aborted = RedisBatch()
      let key = RedisKey("transaction:aborted")
      aborted.transaction(on: key) { batch in
        batch.append(key: key, "SET", "\(key)", "1")
        batch.append(key: key, "NOSUCHCOMMAND")
      }
      let replies = await client.execute(aborted)
      guard case .server(let error)? = replies.failure(3) else {
        Issue.record("was not aborted")
        return
      }
      #expect(error.code == "EXECABORT")
      let exists = try await client.execute(key: key, "EXISTS", "\(key)").trees
      #expect(exists == [.integer(0)])
    }
  }

  @Test("says that nobody has confirmed a write where there are no replicas, at each node")
  func unconfirmed() async throws {
    try await withClusterClient(SharedRedis.cluster()) { client in
      var batch = RedisBatch()
      batch.confirmation = RedisBatch.Confirmation(replicas: 1, milliseconds: 20)
      for number in 0..<20 {
        let key = RedisKey("unconfirmed:\(number)")
        batch.append(key: key, "SET", "\(key)", "\(number)")
      }
      let replies = await client.execute(batch)
      try replies.check()
      for index in 0..<20 {
        #expect { try replies.checkConfirmed(index) } throws: { error in
          "\(error)".contains("0 of the 1 replicas")
            && (error as? RedisError)?.mayHaveBeenExecuted == true
        }
      }
    }
  }

  @Test("says that replicas have confirmed a write, at each node")
  func confirmed() async throws {
    var options = LocalRedisCluster.Options()
    options.replicasPerPrimary = 1
    try await RedisFixture.withCluster(options) { cluster in
      try await withClusterClient(cluster) { client in
        var batch = RedisBatch()
        batch.confirmation = RedisBatch.Confirmation(replicas: 1, milliseconds: 4_000)
        for number in 0..<20 {
          let key = RedisKey("confirmed:\(number)")
          batch.append(key: key, "SET", "\(key)", "\(number)")
        }
        let replies = await client.execute(batch)
        #expect(replies.count == 20)
        for index in 0..<20 { try replies.checkConfirmed(index) }
        batch.confirmation = RedisBatch.Confirmation(replicas: 2, milliseconds: 2_000)
        let more = await client.execute(batch)
        #expect {
          try more.checkConfirmed(7)
        } throws: {
          "\($0)".contains("1 of the 2 replicas")
        }
      }
    }
  }

  @Test("passes on a node's refusal of one command, and goes on")
  func refusal() async throws {
    let cluster = try await SharedRedis.cluster()
    for node in cluster.nodes {
      try await node.command("ACL", "SETUSER", "few", "on", ">secret", "~few:*", "+@all", "-incr")
    }
    let hosts = cluster.url.dropFirst("redis://".count)
    try await withFactory("redis://few:secret@\(hosts)") { factory in
      try await factory.withClient { client in
        var batch = RedisBatch()
        for number in 0..<9 {
          let key = RedisKey(number % 3 == 1 ? "other:\(number)" : "few:\(number)")
          batch.append(key: key, number % 3 == 2 ? "INCR" : "STRLEN", "\(key)")
        }
        let replies = await client.execute(batch)
        for number in 0..<9 {
          guard number % 3 > 0 else {
            #expect(replies.failure(number) == nil)
            continue
          }
          #expect(replies.serverError(number)?.code == "NOPERM")
        }
      }
    }
  }

  @Test("takes large batches, many at once")
  func large() async throws {
    try await withClusterClient(SharedRedis.cluster()) { client in
      // Connected before: so many commands keep the loop busy for longer than a connect may take.
      var first = RedisBatch()
      for number in 0..<100 { first.value(of: RedisKey("large:0:\(number)")) }
      _ = try await client.execute(first).trees
      try await withThrowingTaskGroup(of: Int.self) { group in
        for caller in 0..<4 {
          group.addTask {
            var batch = RedisBatch()
            for number in 0..<5_000 {
              let key = RedisKey("large:\(caller):\(number % 100)")
              batch.append(key: key, "SET", "\(key)", "\(number)")
              batch.value(of: key)
            }
            let values = try await client.execute(batch, timeout: .seconds(30)).trees
            return (0..<5_000).count { values[2 * $0 + 1] != .string("\($0)") }
          }
        }
        for try await wrong in group { #expect(wrong == 0) }
      }
    }
  }

  @Test("answers an empty batch at once, and nothing any more once it is closed")
  func closed() async throws {
    try await withFactory(SharedRedis.cluster().url) { factory in
      let client = factory.makeClient(on: MultiThreadedEventLoopGroup.singleton.next())
      let nothing = await client.execute(RedisBatch())
      #expect(nothing.count == 0)
      try await client.close().get()
      let failure = try await client.execute("PING").failure(0)
      #expect(failure == .unavailable("the client is closed"))
      await #expect(throws: RedisError.unavailable("the client is closed")) {
        try await client.whenReady().get()
      }
      #expect(try await !client.isReadyNow())
      try await client.close().get()
    }
  }

  @Test("completes everything exactly once when it is closed in the middle")
  func closedInTheMiddle() async throws {
    try await RedisFixture.withCluster { cluster in
      let nodes = cluster.nodes
      for round in 0..<30 {
        let counts = try await withClusterClient(cluster) { client in
          try await client.eventLoop.flatSubmit {
            let counts = NIOLoopBoundBox(
              [Int](repeating: 0, count: 60), eventLoop: client.eventLoop)
            let promise = client.eventLoop.makePromise(of: [Int].self)
            for number in 0..<60 {
              var batch = RedisBatch()
              for part in 0...number % 4 {
                let key = RedisKey("middle:\(number):\(part)")
                batch.append(key: key, "INCR", "\(key)")
              }
              client.submit(batch) { _ in
                counts.value[number] += 1
                if number == round { _ = client.close() }
                if !counts.value.contains(0) { promise.succeed(counts.value) }
              }
            }
            return promise.futureResult
          }.get()
        }
        #expect(counts == Array(repeating: 1, count: 60))
      }
      let isEmpty = try await eventually {
        for node in nodes where try await node.clientCount() > 0 { return false }
        return true
      }
      #expect(isEmpty, "connections are left")
    }
  }
}
