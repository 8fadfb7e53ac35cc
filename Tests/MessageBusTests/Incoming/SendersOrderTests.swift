import BusTestSupport
import ConnectProtocol
import LocalCluster
import LocalRedis
import NIOCore
import Redis
import TestSupport
import Testing

@testable import MessageBus

/// Stands for a connection that sends.
private final class Sender {
  var id: ObjectIdentifier { ObjectIdentifier(self) }
}

@Suite("What waits for one partition")
struct IncomingQueueTests {
  private let alice = Sender()
  private let carol = Sender()

  private func queue() -> IncomingQueue {
    IncomingQueue(stream: Keys(partitions: PartitionMap(count: 1)).incoming(Partition(number: 0)))
  }

  private func append(_ tokens: Int..., by sender: Sender?, to queue: inout IncomingQueue) {
    for token in tokens {
      queue.append(.message(id: "m\(token)"), by: sender?.id, isDurable: true, token: token)
    }
  }

  @Test("is sent when what was sent before has its results, all at once")
  func oneAtATime() {
    var queue = self.queue()
    var ready = queue.becomesReady()
    #expect(!ready)
    self.append(1, by: alice, to: &queue)
    ready = queue.becomesReady()
    #expect(ready)
    ready = queue.becomesReady()
    #expect(!ready, "once is enough")
    self.append(2, by: carol, to: &queue)
    var sent = queue.takeLoad().entries.map(\.token)
    #expect(sent == [1, 2])
    self.append(3, 4, by: nil, to: &queue)
    ready = queue.becomesReady()
    #expect(!ready)
    var withheld = queue.settled(1)
    #expect(withheld?.map(\.token) == nil)
    ready = queue.becomesReady()
    #expect(!ready)
    withheld = queue.settled(1)
    #expect(withheld?.isEmpty == true)
    ready = queue.becomesReady()
    #expect(ready)
    sent = queue.takeLoad().entries.map(\.token)
    #expect(sent == [3, 4])
  }

  @Test("is a transaction if a sender has several in it")
  func transaction() {
    var queue = self.queue()
    self.append(1, by: alice, to: &queue)
    self.append(2, by: carol, to: &queue)
    self.append(3, 4, by: nil, to: &queue)
    let first = queue.takeLoad()
    #expect(!first.repeatsSender)
    self.append(5, by: carol, to: &queue)
    self.append(6, by: alice, to: &queue)
    self.append(7, by: carol, to: &queue)
    _ = queue.settled(4)
    let load = queue.takeLoad()
    #expect(load.repeatsSender)
    var pipeline = IncomingPipeline()
    pipeline.take(load, of: 0, on: queue.stream)
    #expect(pipeline.batch.count == 5, "MULTI, three entries, EXEC")
  }

  @Test("is sent in portions of a bounded number of entries, in order")
  func bounded() {
    let limit = BusLimits.entriesPerTransaction
    var queue = self.queue()
    for token in 0..<2 * limit + 1 { self.append(token, by: alice, to: &queue) }
    var sent: [[Int]] = []
    for _ in 0..<3 {
      let ready = queue.becomesReady()
      #expect(ready)
      let load = queue.takeLoad()
      #expect(load.commands.count == load.entries.count)
      #expect(load.repeatsSender == (load.entries.count > 2), "the last two have two senders")
      sent.append(load.entries.map(\.token))
      // Also what comes while others wait stays behind them.
      if sent.count == 1 { self.append(2 * limit + 1, by: carol, to: &queue) }
      let withheld = queue.settled(load.entries.count)
      #expect(withheld?.isEmpty == true)
    }
    #expect(sent.map(\.count) == [limit, limit, 2])
    #expect(sent.flatMap { $0 } == Array(0...2 * limit + 1))
    let ready = queue.becomesReady()
    #expect(!ready)
  }

  @Test("fails with what its sender had under way, however many portions it is")
  func withheldPortions() {
    let limit = BusLimits.entriesPerTransaction
    var queue = self.queue()
    for token in 0..<3 * limit {
      self.append(token, by: token % 3 == 0 ? carol : alice, to: &queue)
    }
    let first = queue.takeLoad()
    queue.failed(first.entries[1])
    let withheld = queue.settled(limit)
    let later = limit..<3 * limit
    #expect(withheld?.map(\.token) == later.filter { $0 % 3 != 0 })
    let ready = queue.becomesReady()
    #expect(ready)
    var left: [Int] = []
    while true {
      let load = queue.takeLoad()
      guard !load.entries.isEmpty else { break }
      left += load.entries.map(\.token)
      _ = queue.settled(load.entries.count)
    }
    #expect(left == later.filter { $0 % 3 == 0 })
  }

  @Test("is given up as a whole")
  func givenUp() {
    var queue = self.queue()
    let tokens = Array(0..<BusLimits.entriesPerTransaction + 1)
    for token in tokens { self.append(token, by: alice, to: &queue) }
    let givenUp = queue.giveUp().map(\.token)
    #expect(givenUp == tokens)
    let ready = queue.becomesReady()
    #expect(!ready)
  }

  @Test("fails with what its sender had under way, and with nobody else's, in order")
  func withheld() {
    var queue = self.queue()
    self.append(1, by: alice, to: &queue)
    self.append(2, by: carol, to: &queue)
    let load = queue.takeLoad()
    self.append(3, by: carol, to: &queue)
    self.append(4, by: alice, to: &queue)
    self.append(5, by: nil, to: &queue)
    self.append(6, by: alice, to: &queue)
    queue.failed(load.entries[0])
    var withheld = queue.settled(1)
    #expect(withheld?.map(\.token) == nil, "another may fail yet")
    withheld = queue.settled(1)
    #expect(withheld?.map(\.token) == [4, 6])
    let ready = queue.becomesReady()
    #expect(ready)
    let next = queue.takeLoad()
    #expect(next.entries.map(\.token) == [3, 5])
    #expect(next.commands.count == 2)
    #expect(!next.repeatsSender)
    // It is over with those that failed: who comes again is taken.
    self.append(7, by: alice, to: &queue)
    withheld = queue.settled(2)
    #expect(withheld?.isEmpty == true)
    let sent = queue.takeLoad().entries.map(\.token)
    #expect(sent == [7])
  }
}

@Suite("Of what one sender has in a partition, Redis executes a prefix", .timeLimit(.minutes(20)))
struct SendersOrderTests {
  private final class Results {
    var list: [(token: Int, result: Result<Offset, RedisError>)] = []

    var accepted: [Int] {
      self.list.compactMap { if case .success = $0.result { $0.token } else { nil } }
    }
  }

  /// Which of the tokens stand in a partition, as ids that begin with `m`.
  private func stored(_ bus: isolated Bus) async throws -> [Int] {
    let stream = bus.keys.incoming(bus.keys.partitions.all[0])
    return try await bus.entries(stream).compactMap {
      $0.payload.flatMap(Envelope.init).flatMap { Int($0.idText.dropFirst()) }
    }
  }

  @Test("when memory runs out and is back, within a pipeline and between two")
  func outOfMemory() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url, partitions: 1) { bus in
        var refused = 0
        for round in 0..<60 {
          let results = Results()
          let alice = Sender()
          let producer = IncomingProducer(keys: bus.keys, client: bus.client) {
            results.list.append(($0, $1))
          }
          async let toggled: Void = self.toggleMemory(of: server)
          var published = 0
          // As whoever publishes must: nothing more of that sender once a failure is known.
          while published < 600, results.accepted.count == results.list.count {
            producer.publish(.message(id: "m\(published)"), by: alice.id, token: published)
            published += 1
            // So that it becomes many pipelines.
            if published % 20 == 0 { await Task.yield() }
          }
          #expect(try await eventually { results.list.count == published })
          try await toggled
          let accepted = results.accepted
          #expect(accepted == Array(0..<accepted.count), "round \(round)")
          #expect(results.list.map(\.token) == Array(0..<published))
          #expect(try await self.stored(bus) == accepted)
          if accepted.count < published { refused += 1 }
          _ = try await bus.command("DEL", "\(bus.keys.incoming(bus.keys.partitions.all[0]))")
        }
        #expect(refused > 0, "memory never ran out")
      }
    }
  }

  @Test("when it is more than one transaction may have")
  func portions() async throws {
    try await Bus.run(partitions: 1) { bus in
      let results = Results()
      let alice = Sender()
      let producer = IncomingProducer(keys: bus.keys, client: bus.client) {
        results.list.append(($0, $1))
      }
      let tokens = Array(0..<2 * BusLimits.entriesPerTransaction + 100)
      for token in tokens {
        producer.publish(.message(id: "m\(token)"), by: alice.id, token: token)
      }
      let isDone = try await eventually { results.list.count == tokens.count }
      #expect(isDone)
      #expect(results.accepted == tokens)
      let stored = try await self.stored(bus)
      #expect(stored == tokens)
      #expect(producer.unanswered == 0)
    }
  }

  /// Out of memory and back, some times.
  private func toggleMemory(of server: LocalRedisServer) async throws {
    for _ in 0..<6 {
      _ = try await server.command("CONFIG", "SET", "maxmemory", "1")
      _ = try await server.command("CONFIG", "SET", "maxmemory", "0")
    }
  }

  private func onNextTurn(of eventLoop: any EventLoop, _ body: @escaping () -> Void) {
    eventLoop.assumeIsolated().execute(body)
  }

  @Test("when replicas do not confirm what stands before it")
  func replicas() async throws {
    // Without replicas, whatever the others run against.
    try await Bus.run(url: SharedRedis.server().url, partitions: 1) { bus in
      let results = Results()
      let (alice, carol) = (Sender(), Sender())
      let producer = IncomingProducer(
        keys: bus.keys, client: try await bus.makeClient(), durability: .replicated(1)
      ) {
        results.list.append(($0, $1))
      }
      producer.publish(.message(id: "m0"), by: alice.id, token: 0)
      // It is sent at the end of this turn, and then waits for a replica. In the next one:
      self.onNextTurn(of: bus.client.eventLoop) {
        producer.publish(.message(id: "m1"), by: alice.id, token: 1)
        producer.publish(.message(id: "m2"), by: carol.id, token: 2)
        producer.publish(.message(id: "m3"), by: alice.id, token: 3)
      }
      #expect(try await eventually { results.list.count == 4 })
      #expect(results.list.map(\.token) == [0, 1, 3, 2])
      #expect(results.accepted.isEmpty)
      #expect(try await self.stored(bus) == [0, 2], "alice's others were not sent")
      #expect(producer.unanswered == 0)
      #expect(producer.unansweredBytes == 0)
    }
  }

  @Test("when a node hangs and comes back", arguments: [Durability.accepted, .replicated(1)])
  func nodeHangs(durability: Durability) async throws {
    var options = LocalRedisCluster.Options()
    options.nodeTimeoutMilliseconds = 30_000
    try await RedisFixture.withCluster(options) { cluster in
      try await Bus.run(url: cluster.url, partitions: 1) { bus in
        let results = Results()
        let alice = Sender()
        let client = try await bus.makeClient()
        let producer = IncomingProducer(
          keys: bus.keys, client: client, durability: durability
        ) {
          results.list.append(($0, $1))
        }
        let stream = bus.keys.incoming(bus.keys.partitions.all[0])
        // Connects.
        _ = try? await client.value { $0.length(of: stream) }
        let node = try await cluster.primary(of: stream.slot.number)
        node.pause()
        for number in 0..<40 {
          producer.publish(.message(id: "m\(number)"), by: alice.id, token: number)
          // Some go out, and some wait behind them.
          if number % 5 == 0 { try await Task.sleep(for: .milliseconds(5)) }
        }
        #expect(try await eventually { results.list.count == 40 })
        #expect(results.list.map(\.token) == Array(0..<40))
        #expect(results.accepted.isEmpty)
        node.resume()
        // What the node had read before it hung it executes now, and no more than that.
        let executed = Array(
          results.list.prefix {
            if case .failure(let error) = $0.result { error.mayHaveBeenExecuted } else { false }
          }.map(\.token))
        #expect(executed.count < 40)
        #expect(
          try await eventually { try await self.stored(bus) == executed }, "\(executed)")
      }
    }
  }
}
