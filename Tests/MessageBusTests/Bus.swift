import ConnectProtocol
import Foundation
import LocalRedis
import Logging
import NIOCore
import NIOPosix
import RedisFixture

@testable import MessageBus
@testable import Redis

/// Keys of one's own on a real Redis, and clients on one event loop, on which the test runs as well.
actor Bus {
  let keys: Keys
  let client: any RedisClient
  private let factory: SingleServerClientFactory
  private var others: [any RedisClient] = []

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    self.client.eventLoop.executor.asUnownedSerialExecutor()
  }

  private init(url: String, partitions: Int) throws {
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    self.keys = Keys(prefix: "\(UUID()):", partitions: PartitionMap(count: partitions))
    self.factory = SingleServerClientFactory(url: try RedisURL(parsing: url), logger: logger)
    self.client = self.factory.makeClient(on: MultiThreadedEventLoopGroup.singleton.next())
  }

  /// Runs a test, by default on the server that tests share.
  static func run<Result: Sendable>(
    url: String? = nil, partitions: Int = 4,
    _ body: @Sendable (isolated Bus) async throws -> Result
  ) async throws -> Result {
    let shared = try await SharedRedis.server().url
    let bus = try Bus(url: url ?? shared, partitions: partitions)
    try await bus.client.waitUntilReady()
    do {
      let result = try await body(bus)
      try await bus.close()
      return result
    } catch {
      try await bus.close()
      throw error
    }
  }

  /// One more client on the same loop, connected.
  func makeClient() async throws -> any RedisClient {
    let client = self.factory.makeClient(on: self.client.eventLoop)
    self.others.append(client)
    try await client.waitUntilReady()
    return client
  }

  private func close() async throws {
    for client in self.others + [self.client] { try await client.close().get() }
  }
}

extension Bus {
  /// A cursor on the reply to one command.
  func command(_ words: String...) async throws -> ReplyCursor {
    var batch = RedisBatch()
    batch.append(arguments: words.count, key: nil, bytes: words.reduce(0) { $0 + $1.utf8.count }) {
      for word in words { $0.bulk(word) }
    }
    return try await self.client.execute(batch).cursor(0)
  }

  func length(_ stream: RedisKey) async throws -> Int {
    var cursor = try await self.command("XLEN", "\(stream)")
    return try cursor.integer()
  }

  /// All entries of a stream.
  func entries(_ stream: RedisKey) async throws -> [StreamEntry] {
    var cursor = try await self.command("XRANGE", "\(stream)", "-", "+")
    return try StreamEntry.list(from: &cursor)
  }

  /// Adds an entry whose payload is `text`, under Redis's next id or a given one.
  @discardableResult
  func add(_ text: String, to stream: RedisKey, at id: Offset? = nil) async throws -> Offset {
    var batch = RedisBatch()
    batch.addEntry(to: stream, at: id, count: text.utf8.count) { $0.copyBytes(from: text.utf8) }
    var cursor = try await self.client.execute(batch).cursor(0)
    return try Offset(from: &cursor)
  }

  /// The envelopes of a mailbox, with their offsets.
  func mailbox(_ user: UserName) async throws -> [Mailbox.Entry] {
    try await self.entries(self.keys.mailbox(user)).map(Mailbox.Entry.init)
  }
}

extension StreamEntry {
  var text: String? { self.payload.map { String(decoding: $0.array, as: UTF8.self) } }
}

/// No connection came about in time.
struct NeverReady: Error {}

extension RedisClient {
  /// Waits for a connection, for a bounded time.
  func waitUntilReady() async throws {
    let promise = self.eventLoop.makePromise(of: Void.self)
    self.whenReady().cascade(to: promise)
    let timer = self.eventLoop.scheduleTask(in: .seconds(60)) { promise.fail(NeverReady()) }
    defer { timer.cancel() }
    try await promise.futureResult.get()
  }
}

/// Waits until a condition holds, and says whether it came to that.
func eventually(
  within duration: Duration = .seconds(60), _ condition: () async throws -> Bool
) async throws -> Bool {
  let deadline = ContinuousClock.now + duration
  while try await !condition() {
    if ContinuousClock.now > deadline { return false }
    try await Task.sleep(for: .milliseconds(5))
  }
  return true
}
