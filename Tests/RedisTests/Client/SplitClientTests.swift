import NIOCore
import NIOEmbedded
import SeededRandom
import TestSupport
import Testing

@testable import Redis

@Suite("A client for keys that are divided between two")
struct SplitClientTests {
  /// One of the two: answers when it is told to.
  private final class Half: RedisClient, @unchecked Sendable {
    struct Submitted {
      let batch: RedisBatch
      let timeout: TimeAmount
      let onSettled: (Range<Int>, RedisReplies) -> Void
    }

    let eventLoop: any EventLoop
    var isReady = true
    private(set) var isClosed = false
    private(set) var submitted: [Submitted] = []
    private var waiters: [EventLoopPromise<Void>] = []

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func submit(
      _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
    ) {
      self.submit(batch, timeout: timeout) { completion($1) }
    }

    func submit(
      _ batch: RedisBatch, timeout: TimeAmount,
      onSettled: @escaping (Range<Int>, RedisReplies) -> Void
    ) {
      self.submitted.append(Submitted(batch: batch, timeout: timeout, onSettled: onSettled))
    }

    func whenReady() -> EventLoopFuture<Void> {
      self.waiters.append(self.eventLoop.makePromise())
      return self.waiters[self.waiters.count - 1].futureResult
    }

    func becomeReady() { self.waiters.forEach { $0.succeed() } }

    func close() -> EventLoopFuture<Void> {
      self.isClosed = true
      return self.eventLoop.makeSucceededVoidFuture()
    }

    /// The words of each batch's commands.
    var commands: [[String]] {
      self.submitted.map { one in (0..<one.batch.count).map { Self.text(one.batch, $0) } }
    }

    /// Answers the first batch as a server does that answers each command with its own words.
    func echo(replicas: Int? = nil) throws {
      let one = self.submitted.removeFirst()
      var resp = (0..<one.batch.count).map { "+\(Self.text(one.batch, $0))\r\n" }.joined()
      if let replicas { resp += ":\(replicas)\r\n" }
      let replies = try SplitClientTests.replies(resp)
      one.onSettled(
        0..<one.batch.count,
        one.batch.confirmation.map { replies.takingConfirmation($0) } ?? replies)
    }

    /// Answers some commands of the first batch, which stays.
    func echo(part: Range<Int>) throws {
      let one = self.submitted[0]
      let resp = part.map { "+\(Self.text(one.batch, $0))\r\n" }.joined()
      one.onSettled(part, try SplitClientTests.replies(resp))
    }

    func answer(_ resp: String) throws {
      let one = self.submitted.removeFirst()
      one.onSettled(0..<one.batch.count, try SplitClientTests.replies(resp))
    }

    func fail(_ error: RedisError) {
      let one = self.submitted.removeFirst()
      one.onSettled(0..<one.batch.count, .failed(one.batch.count, error))
    }

    static func text(_ batch: RedisBatch, _ index: Int) -> String {
      // *2 $3 GET $1 a
      String(decoding: batch.encoded(index), as: UTF8.self).split(whereSeparator: \.isNewline)
        .filter { !$0.hasPrefix("*") && !$0.hasPrefix("$") }.joined(separator: " ")
    }
  }

  private static func replies(_ text: String) throws -> RedisReplies {
    var reader = ReplyReader()
    let arena = ReplyArena(expecting: 1)
    reader.use(arena)
    try Array(text.utf8).withUnsafeBytes { try reader.feed($0) }
    while try reader.next() {}
    return RedisReplies(arena: arena, count: arena.roots.count, failure: nil)
  }

  private let first: Half
  private let second: Half
  private let client: SplitClient

  init() {
    let eventLoop = EmbeddedEventLoop()
    self.first = Half(eventLoop)
    self.second = Half(eventLoop)
    self.client = SplitClient(first: self.first, second: self.second)
  }

  private func get(_ name: String, _ home: RedisKey.Home, in batch: inout RedisBatch) {
    batch.append(key: RedisKey(name, home: home), "GET", name)
  }

  private final class Outcome {
    private(set) var replies: [RedisReplies] = []
    func take(_ replies: RedisReplies) { self.replies.append(replies) }
  }

  private func submit(_ batch: RedisBatch) -> Outcome {
    let outcome = Outcome()
    self.client.submit(batch, timeout: .seconds(7)) { outcome.take($0) }
    return outcome
  }

  @Test("gives a batch with one home to that one, as it is", arguments: [true, false])
  func oneHome(isFirst: Bool) throws {
    var batch = RedisBatch()
    batch.confirmation = RedisBatch.Confirmation(replicas: 1, milliseconds: 5)
    batch.append("PING")
    self.get("a", isFirst ? .first : .second, in: &batch)
    self.get("b", isFirst ? .first : .second, in: &batch)
    let outcome = self.submit(batch)
    let (chosen, other) = isFirst ? (self.first, self.second) : (self.second, self.first)
    #expect(other.submitted.isEmpty)
    let one = try #require(chosen.submitted.first)
    #expect(one.batch.bytes == batch.bytes)
    #expect(one.batch.confirmation == batch.confirmation)
    #expect(one.timeout == .seconds(7))
    try chosen.echo(replicas: 1)
    #expect(try outcome.replies.map { try $0.trees } == [[.string("PING"), "GET a", "GET b"]])
  }

  @Test("gives the first one what names no key, and nothing at all")
  func withoutKey() {
    var batch = RedisBatch()
    batch.append("TIME")
    _ = self.submit(batch)
    _ = self.submit(RedisBatch())
    #expect(self.first.commands == [["TIME"], []])
    #expect(self.second.submitted.isEmpty)
  }

  /// a and c in the first, b and d in the second, and one without a key.
  private func mixed() -> RedisBatch {
    var batch = RedisBatch()
    self.get("a", .first, in: &batch)
    self.get("b", .second, in: &batch)
    batch.append("PING")
    self.get("c", .first, in: &batch)
    self.get("d", .second, in: &batch)
    return batch
  }

  @Test(
    "takes a batch of both apart, and puts the replies together in its order",
    arguments: [true, false])
  func merged(firstAnswersFirst: Bool) throws {
    let outcome = self.submit(self.mixed())
    #expect(self.first.commands == [["GET a", "PING", "GET c"]])
    #expect(self.second.commands == [["GET b", "GET d"]])
    #expect(self.first.submitted[0].timeout == .seconds(7))
    #expect(self.second.submitted[0].timeout == .seconds(7))
    let order = firstAnswersFirst ? [self.first, self.second] : [self.second, self.first]
    try order[0].echo()
    #expect(outcome.replies.isEmpty, "the other one has not answered")
    try order[1].echo()
    #expect(
      try outcome.replies.map { try $0.trees } == [
        ["GET a", "GET b", "PING", "GET c", "GET d"]
      ])
    #expect(!outcome.replies[0].areInOrder)
  }

  @Test("answers part by part what one of them has answered, as it answers")
  func parts() throws {
    var parts: [(places: Range<Int>, replies: RedisReplies)] = []
    self.client.submit(self.mixed(), timeout: .seconds(7)) { parts.append(($0, $1)) }
    try self.second.echo()
    #expect(parts.map(\.places) == [1..<2, 4..<5])
    #expect(try parts.map { try $0.replies.trees } == [["GET b"], ["GET d"]])
    parts = []
    try self.first.echo(part: 1..<3)
    try self.first.echo(part: 0..<1)
    #expect(parts.map(\.places) == [2..<4, 0..<1])
    #expect(try parts.map { try $0.replies.trees } == [["PING", "GET c"], ["GET a"]])
  }

  @Test("keeps a transaction whole")
  func transaction() throws {
    var batch = RedisBatch()
    self.get("a", .first, in: &batch)
    batch.transaction(on: RedisKey("b", home: .second)) { batch in
      batch.append(key: RedisKey("b", home: .second), "INCR", "b")
      batch.append(key: RedisKey("b", home: .second), "INCR", "b")
    }
    self.get("c", .first, in: &batch)
    let outcome = self.submit(batch)
    #expect(self.first.commands == [["GET a", "GET c"]])
    #expect(self.second.commands == [["MULTI", "INCR b", "INCR b", "EXEC"]])
    #expect(self.second.submitted[0].batch.unit(at: 2) == 0..<4)
    try self.first.echo()
    try self.second.answer("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:2\r\n")
    #expect(
      try outcome.replies[0].trees == [
        "GET a", "OK", "QUEUED", "QUEUED", .array([.integer(1), .integer(2)]), "GET c",
      ])
  }

  @Test("asks the replicas of each about what went there, and tells them apart")
  func confirmation() throws {
    var batch = self.mixed()
    batch.confirmation = RedisBatch.Confirmation(replicas: 2, milliseconds: 50)
    let outcome = self.submit(batch)
    for half in [self.first, self.second] {
      #expect(half.submitted[0].batch.confirmation == batch.confirmation)
    }
    try self.first.echo(replicas: 2)
    try self.second.echo(replicas: 1)
    let replies = try #require(outcome.replies.first)
    for index in [0, 2, 3] { try replies.checkConfirmed(index) }
    for index in [1, 4] {
      #expect(throws: RedisError.self) { try replies.checkConfirmed(index) }
    }
    #expect(replies.count == 5)
  }

  @Test("fails what went to one that is away, and nothing else")
  func failure() throws {
    let outcome = self.submit(self.mixed())
    self.second.fail(.unavailable("away"))
    try self.first.echo()
    let replies = try #require(outcome.replies.first)
    #expect((0..<5).map { replies.failure($0) != nil } == [false, true, false, false, true])
    #expect(replies.failure(1) == .unavailable("away"))
  }

  @Test("passes each error reply on in its place")
  func refusal() throws {
    let outcome = self.submit(self.mixed())
    try self.first.answer("+1\r\n-OOM no room\r\n+3\r\n")
    try self.second.answer("-WRONGTYPE b\r\n+4\r\n")
    #expect(
      try outcome.replies[0].trees == [
        "1", .error("WRONGTYPE b"), .error("OOM no room"), "3", "4",
      ])
  }

  @Test("is ready when both are")
  func readiness() {
    #expect(self.client.isReady)
    self.second.isReady = false
    #expect(!self.client.isReady)
    (self.first.isReady, self.second.isReady) = (false, true)
    #expect(!self.client.isReady)
  }

  @Test("waits for both, and closes both")
  func both() {
    var isReady = false
    self.client.whenReady().assumeIsolated().whenSuccess { isReady = true }
    self.first.becomeReady()
    #expect(!isReady)
    self.second.becomeReady()
    #expect(isReady)
    var isClosed = false
    self.client.close().assumeIsolated().whenSuccess { isClosed = true }
    #expect(isClosed && self.first.isClosed && self.second.isClosed)
  }

  @Test("answers each command with its own reply, whatever the batch", arguments: 0..<200 as Range)
  func anyBatch(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var batch = RedisBatch()
    var expected: [ReplyTree] = []
    var wanted: [RedisKey.Home: [String]] = [:]
    func note(_ text: String, _ home: RedisKey.Home) {
      expected.append(.string(text))
      wanted[home, default: []].append(text)
    }
    for number in 0..<Int.random(in: 1...20, using: &random) {
      let home: RedisKey.Home = Bool.random(using: &random) ? .first : .second
      let key = RedisKey("\(number)", home: home)
      if Int.random(in: 0..<4, using: &random) == 0 {
        batch.transaction(on: key) { $0.append(key: key, "GET", "\(number)") }
        for text in ["MULTI", "GET \(number)", "EXEC"] { note(text, home) }
      } else {
        self.get("\(number)", home, in: &batch)
        note("GET \(number)", home)
      }
    }
    let outcome = self.submit(batch)
    for (half, home) in [(self.first, RedisKey.Home.first), (self.second, .second)].shuffled(
      using: &random)
    {
      #expect(half.commands.flatMap { $0 } == wanted[home] ?? [])
      if !half.submitted.isEmpty { try half.echo() }
    }
    #expect(try outcome.replies.map { try $0.trees } == [expected])
  }

  private struct Factory: RedisClientFactory {
    let made: Outcomes
    let name: String

    func makeClient(on eventLoop: any EventLoop) -> any RedisClient {
      self.made.names.append(self.name)
      return Half(eventLoop)
    }
  }

  private final class Outcomes: @unchecked Sendable { var names: [String] = [] }

  @Test("is made of a client for each; one for a home alone is that one's")
  func factory() {
    let made = Outcomes()
    let factory = RedisClients.split(
      Factory(made: made, name: "first"), Factory(made: made, name: "second"))
    let eventLoop = EmbeddedEventLoop()
    #expect(factory.makeClient(on: eventLoop) is SplitClient)
    #expect(made.names == ["first", "second"])
    #expect(factory.makeClient(on: eventLoop, only: .first) is Half)
    #expect(factory.makeClient(on: eventLoop, only: .second) is Half)
    #expect(made.names == ["first", "second", "first", "second"])
  }
}
