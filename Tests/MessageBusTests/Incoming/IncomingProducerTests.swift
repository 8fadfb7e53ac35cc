import BusTestSupport
import ConnectProtocol
import LocalCluster
import LocalRedis
import NIOCore
import Redis
import TestSupport
import Testing

@testable import MessageBus

/// A client that counts the batches on their way to the real one.
private final class CountingClient: RedisClient, @unchecked Sendable {
  // Unchecked: touched on the event loop only.
  private let client: any RedisClient
  private(set) var batches: [Int] = []

  init(_ client: any RedisClient) { self.client = client }

  var eventLoop: any EventLoop { self.client.eventLoop }
  var isReady: Bool { self.client.isReady }
  func whenReady() -> EventLoopFuture<Void> { self.client.whenReady() }
  func close() -> EventLoopFuture<Void> { self.client.close() }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    self.eventLoop.preconditionInEventLoop()
    self.batches.append(batch.count)
    self.client.submit(batch, timeout: timeout, completion: completion)
  }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount,
    onSettled: @escaping (Range<Int>, RedisReplies) -> Void
  ) {
    self.eventLoop.preconditionInEventLoop()
    self.batches.append(batch.count)
    self.client.submit(batch, timeout: timeout, onSettled: onSettled)
  }
}

@Suite("The producer of incoming entries", .timeLimit(.minutes(20)))
struct IncomingProducerTests {
  /// Tokens with their results, in the order of the results.
  private final class Results {
    var list: [(token: Int, result: Result<Offset, RedisError>)] = []
  }

  @Test("sends what a turn of the loop publishes as one pipeline, and answers partitions in order")
  func coalesces() async throws {
    try await Bus.run { bus in
      let client = CountingClient(bus.client)
      let results = Results()
      let producer = IncomingProducer(keys: bus.keys, client: client) {
        results.list.append(($0, $1))
      }
      for number in 0..<100 {
        producer.publish(.message(to: "user\(number % 10)", id: "m\(number)"), token: number)
      }
      #expect(producer.unanswered == 100)
      #expect(client.batches == [])
      #expect(try await eventually { results.list.count == 100 })
      #expect(client.batches == [100])
      #expect(producer.unanswered == 0)
      // Nodes of a cluster answer in any order.
      #expect(results.list.map(\.token).sorted() == Array(0..<100))

      producer.publish(.message(), token: 100)
      #expect(try await eventually { results.list.count == 101 })
      #expect(client.batches == [100, 1])

      // Each entry is where its recipient's partition is, under the offset that was reported.
      var stored: [Offset: String] = [:]
      for partition in bus.keys.partitions.all {
        for entry in try await bus.entries(bus.keys.incoming(partition)) {
          let envelope = try #require(entry.payload.flatMap(Envelope.init))
          let recipient = try #require(envelope.recipient)
          #expect(bus.keys.partitions.partition(for: recipient) == partition)
          stored[entry.offset, default: ""] += "\(envelope.toText)/\(envelope.idText) "
        }
      }
      var previous: [Partition: (token: Int, offset: Offset)] = [:]
      for (token, result) in results.list.dropLast() {
        let offset = try result.get()
        #expect(stored[offset]?.contains("user\(token % 10)/m\(token) ") == true)
        let partition = bus.keys.partitions.partition(for: UserName("user\(token % 10)")!)
        #expect(previous[partition].map { $0.token < token && $0.offset < offset } ?? true)
        previous[partition] = (token, offset)
      }
    }
  }

  @Test("has results of what other nodes of a cluster took, while one does not answer")
  func nodeHangs() async throws {
    var options = LocalRedisCluster.Options()
    options.nodeTimeoutMilliseconds = 30_000
    try await RedisFixture.withCluster(options) { cluster in
      try await Bus.run(url: cluster.url, partitions: 16) { bus in
        let results = Results()
        let producer = IncomingProducer(keys: bus.keys, client: bus.client) {
          results.list.append(($0, $1))
        }
        func publish() {
          for number in 0..<100 {
            producer.publish(.message(to: "user\(number)", id: "m\(number)"), token: number)
          }
        }
        // Connects to all of them.
        publish()
        #expect(try await eventually { results.list.count == 100 })
        results.list = []

        let paused = cluster.nodes[2]
        var late: Set<Int> = []
        for number in 0..<100 {
          let partition = bus.keys.partitions.partition(for: UserName("user\(number)")!)
          let slot = bus.keys.incoming(partition).slot.number
          if try await cluster.primary(of: slot) === paused { late.insert(number) }
        }
        try #require(!late.isEmpty && late.count < 100)
        paused.pause()
        publish()
        #expect(try await eventually { results.list.count == 100 - late.count })
        #expect(Set(results.list.map(\.token)) == Set(0..<100).subtracting(late))
        #expect(producer.unanswered == late.count)
        var hasResults: Int?
        producer.whenIdle { hasResults = results.list.count }
        #expect(hasResults == nil)
        paused.resume()
        #expect(try await eventually { hasResults != nil })
        #expect(hasResults == 100)
        #expect(producer.unanswered == 0)
        let last = results.list.suffix(late.count).map(\.token)
        #expect(last.sorted() == late.sorted())
        for partition in bus.keys.partitions.all {
          let own = last.filter {
            bus.keys.partitions.partition(for: UserName("user\($0)")!) == partition
          }
          #expect(own == own.sorted(), "of partition \(partition.number)")
        }
        for (_, result) in results.list { _ = try result.get() }
      }
    }
  }

  @Test("keeps the order of what is published while results come in")
  func publishesInCompletion() async throws {
    try await Bus.run(partitions: 1) { bus in
      let results = Results()
      final class Box { var producer: IncomingProducer? }
      let box = Box()
      let producer = IncomingProducer(keys: bus.keys, client: bus.client) { token, result in
        results.list.append((token, result))
        if token < 50 { box.producer?.publish(.message(id: "again\(token)"), token: token + 100) }
      }
      box.producer = producer
      for number in 0..<50 { producer.publish(.message(id: "m\(number)"), token: number) }
      #expect(try await eventually { results.list.count == 100 })
      box.producer = nil
      #expect(results.list.map(\.token) == Array(0..<50) + Array(100..<150))
      let offsets = try results.list.map { try $0.result.get() }
      #expect(offsets == offsets.sorted())
      let stored = try await bus.entries(bus.keys.incoming(bus.keys.partitions.all[0]))
      #expect(stored.map(\.offset) == offsets)
    }
  }

  @Test("reports each of them as never sent when there is no connection")
  func unavailable() async throws {
    try await Bus.run { bus in
      let client = try await bus.makeClient()
      try await client.close().get()
      let results = Results()
      let producer = IncomingProducer(keys: bus.keys, client: client) {
        results.list.append(($0, $1))
      }
      for number in 0..<3 { producer.publish(.message(), token: number) }
      #expect(try await eventually { results.list.count == 3 })
      #expect(results.list.map(\.token) == [0, 1, 2])
      for (_, result) in results.list {
        #expect(throws: RedisError.self) { try result.get() }
        if case .failure(let error) = result { #expect(!error.mayHaveBeenExecuted) }
      }
      #expect(producer.unanswered == 0)
    }
  }

  @Test("reports Redis's refusal for that entry alone")
  func refused() async throws {
    try await Bus.run(partitions: 2) { bus in
      let users = ["a", "b", "c", "d", "e", "f"].compactMap { UserName($0) }
      let bad = bus.keys.partitions.all[0]
      _ = try await bus.command("SET", "\(bus.keys.incoming(bad))", "not a stream")
      let results = Results()
      let producer = IncomingProducer(keys: bus.keys, client: bus.client) {
        results.list.append(($0, $1))
      }
      for (index, user) in users.enumerated() {
        producer.publish(.message(to: user.text), token: index)
      }
      #expect(try await eventually { results.list.count == users.count })
      for (token, result) in results.list {
        let isBad = bus.keys.partitions.partition(for: users[token]) == bad
        switch result {
        case .success: #expect(!isBad)
        case .failure(.server(let error)):
          #expect(isBad)
          #expect(error.code == "WRONGTYPE")
        case .failure(let error): Issue.record("\(error)")
        }
      }
      #expect(Set(users.map(bus.keys.partitions.partition)).count == 2)
    }
  }

  @Test("asks the replicas only for what must be durable, and says how many are missing")
  func replicas() async throws {
    // Without replicas, whatever the others run against.
    try await Bus.run(url: SharedRedis.server().url) { bus in
      let client = CountingClient(bus.client)
      let results = Results()
      let producer = IncomingProducer(
        keys: bus.keys, client: client, durability: .replicated(1)
      ) {
        results.list.append(($0, $1))
      }
      producer.publish(.message(id: "m0"), isDurable: false, token: 0)
      #expect(try await eventually { results.list.count == 1 })
      _ = try results.list[0].result.get()
      #expect(client.batches == [1], "nothing is waited for")

      producer.publish(.message(id: "m1"), token: 1)
      #expect(try await eventually { client.batches.count == 2 })
      // While Redis waits, nothing is sent behind; it all goes out as one afterwards.
      producer.publish(.message(id: "m2"), token: 2)
      producer.publish(.message(id: "m3"), isDurable: false, token: 3)
      #expect(try await eventually { results.list.count == 4 })
      #expect(client.batches == [1, 1, 2])
      #expect(results.list.map(\.token) == [0, 1, 2, 3])
      for index in 1...2 {
        guard case .failure(let error) = results.list[index].result else {
          Issue.record("accepted without a replica")
          continue
        }
        #expect(error.mayHaveBeenExecuted)
        #expect("\(error)".contains("--durability"))
      }
      _ = try results.list[3].result.get()
      #expect(producer.unanswered == 0)
    }
  }

  @Test("sends nothing when it is refused at the last moment, and answers why")
  func refusal() async throws {
    try await Bus.run { bus in
      let client = CountingClient(bus.client)
      let results = Results()
      var reason: RedisError? = .unavailable("paused")
      let producer = IncomingProducer(
        keys: bus.keys, client: client, refusal: { reason }
      ) {
        results.list.append(($0, $1))
      }
      producer.publish(.message(id: "m0"), token: 0)
      producer.publish(.message(id: "m1"), token: 1)
      #expect(try await eventually { results.list.count == 2 })
      #expect(client.batches == [])
      #expect(producer.unanswered == 0)
      for (_, result) in results.list { #expect(result == .failure(.unavailable("paused"))) }
      reason = nil
      producer.publish(.message(id: "m2"), token: 2)
      #expect(try await eventually { results.list.count == 3 })
      _ = try results.list[2].result.get()
    }
  }
}

@Suite("The partition guard", .timeLimit(.minutes(20)))
struct PartitionGuardTests {
  @Test("lets the first number in, the same one again, and says what to do about another")
  func mismatch() async throws {
    try await Bus.run(partitions: 4) { bus in
      try await PartitionGuard.check(bus.keys, with: bus.client)
      try await PartitionGuard.check(bus.keys, with: bus.client)
      let prefix = "\(bus.keys.partitionCount)".dropLast("partitions".count)
      let others = Keys(prefix: String(prefix), partitions: PartitionMap(count: 8))
      do {
        try await PartitionGuard.check(others, with: bus.client)
        Issue.record("8 partitions were taken for 4")
      } catch let error as PartitionGuard.Mismatch {
        #expect(
          "\(error)"
            == """
            this Redis holds data for 4 partitions (key \(prefix)partitions), but 8 are configured; \
            set --partitions 4, or another --key-prefix
            """)
      }
    }
  }

  /// The same keys, for services that were told otherwise.
  private func keys(_ keys: Keys, partitions: Int = 4, hasRegistryRedis: Bool) -> Keys {
    Keys(
      prefix: keys.prefix, partitions: PartitionMap(count: partitions),
      hasRegistryRedis: hasRegistryRedis)
  }

  @Test(
    "lets nobody in who looks for the users in another Redis than the first did",
    arguments: [true, false])
  func registry(isFirstWithTwo: Bool) async throws {
    try await Bus.run(partitions: 4) { bus in
      let first = self.keys(bus.keys, hasRegistryRedis: isFirstWithTwo)
      let others = self.keys(bus.keys, hasRegistryRedis: !isFirstWithTwo)
      try await PartitionGuard.check(first, with: bus.client)
      try await PartitionGuard.check(first, with: bus.client)
      let error = try await #require(throws: PartitionGuard.Mismatch.self) {
        try await PartitionGuard.check(others, with: bus.client)
      }
      #expect("\(error)".contains("--registry-redis-url"))
      #expect("\(error)".contains("\(bus.keys.partitionCount)"))
      #expect("\(error)".split(whereSeparator: \.isNewline).count == 1)
      var stored = try await bus.command("GET", "\(bus.keys.partitionCount)")
      let layout = try DataLayout(#require(try stored.string()))
      #expect(layout == DataLayout(of: first))
      #expect(PartitionGuard.mismatch(of: layout, whereUsersAre: first) == nil)
      #expect(PartitionGuard.mismatch(of: layout, whereUsersAre: others) != nil)
      #expect(PartitionGuard.mismatch(of: nil, whereUsersAre: others) == nil)
    }
  }

  @Test("takes data of a release that knew of one Redis for what it is")
  func olderData() async throws {
    try await Bus.run(partitions: 4) { bus in
      _ = try await bus.command("SET", "\(bus.keys.partitionCount)", "4")
      try await PartitionGuard.check(bus.keys, with: bus.client)
      await #expect(throws: PartitionGuard.Mismatch.self) {
        try await PartitionGuard.check(
          self.keys(bus.keys, hasRegistryRedis: true), with: bus.client)
      }
    }
  }

  @Test("says how many partitions there are where both are wrong or the value is somebody else's")
  func otherPartitions() async throws {
    try await Bus.run(partitions: 4) { bus in
      let two = self.keys(bus.keys, partitions: 8, hasRegistryRedis: true)
      try await PartitionGuard.check(two, with: bus.client)
      let error = try await #require(throws: PartitionGuard.Mismatch.self) {
        try await PartitionGuard.check(
          self.keys(bus.keys, partitions: 4, hasRegistryRedis: true), with: bus.client)
      }
      #expect("\(error)".contains("set --partitions 8,"), "\(error)")
      _ = try await bus.command("SET", "\(bus.keys.partitionCount)", "many")
      let strange = try await #require(throws: PartitionGuard.Mismatch.self) {
        try await PartitionGuard.check(two, with: bus.client)
      }
      #expect("\(strange)".contains("for many partitions"), "\(strange)")
    }
  }

  @Test("reads a layout as it wrote it, and nothing else")
  func layouts() {
    for text in ["1", "16", "1024", "16 registry"] {
      #expect(DataLayout(text).map { "\($0)" } == text)
    }
    #expect(DataLayout("16")?.hasRegistryRedis == false)
    #expect(DataLayout("16 registry")?.hasRegistryRedis == true)
    for text in ["", "x", "16 ", "16 x", " 16", "16 registry x", "registry 16"] {
      #expect(DataLayout(text) == nil, "\(text)")
    }
  }

  @Test("says what Redis says when it cannot look")
  func failure() async throws {
    try await Bus.run { bus in
      let client = try await bus.makeClient()
      try await client.close().get()
      await #expect(throws: RedisError.self) {
        try await PartitionGuard.check(bus.keys, with: client)
      }
      _ = try await bus.command("LPUSH", "\(bus.keys.partitionCount)", "x")
      do {
        try await PartitionGuard.check(bus.keys, with: bus.client)
        Issue.record("a list was taken for a number")
      } catch RedisError.server(let error) {
        #expect(error.code == "WRONGTYPE")
      }
    }
  }
}
