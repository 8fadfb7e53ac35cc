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
  /// Logged in as services are.
  let client: any RedisClient
  /// Allowed to do everything.
  private let administrator: any RedisClient
  private let factory: any RedisClientFactory
  private let nodes: [LocalRedisServer]
  private var others: [any RedisClient] = []

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    self.client.eventLoop.executor.asUnownedSerialExecutor()
  }

  private static let shared = Task.detached {
    var options = LocalRedisInstallation.Options(kind: .tested)
    options.rights = AccessRights.services()
    return try await LocalRedisInstallation.start(options)
  }

  private init(
    clients: any RedisClientFactory, administration: any RedisClientFactory,
    on eventLoop: any EventLoop, partitions: Int, nodes: [LocalRedisServer] = []
  ) {
    self.nodes = nodes
    // Within the rights of services.
    self.keys = Keys(prefix: "connect:\(UUID()):", partitions: PartitionMap(count: partitions))
    self.factory = clients
    self.client = clients.makeClient(on: eventLoop)
    self.administrator = administration.makeClient(on: eventLoop)
  }

  private static func make(url: String?, partitions: Int) async throws -> Bus {
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    if let url {
      let clients = try await RedisClients.connect(
        RedisConfiguration(url: RedisURL(parsing: url)), on: eventLoop, logger: logger)
      return Bus(
        clients: clients, administration: clients, on: eventLoop, partitions: partitions)
    }
    let redis = try await self.shared.value
    return Bus(
      clients: try await redis.clients(on: eventLoop, logger: logger),
      administration: try await redis.administration(on: eventLoop, logger: logger),
      on: eventLoop, partitions: partitions, nodes: redis.nodes)
  }

  /// Runs a test, by default on the Redis that tests share.
  static func run<Result: Sendable>(
    url: String? = nil, partitions: Int = 4,
    _ body: @Sendable (isolated Bus) async throws -> Result
  ) async throws -> Result {
    let bus = try await self.make(url: url, partitions: partitions)
    try await bus.client.waitUntilReady()
    try await bus.administrator.waitUntilReady()
    do {
      let result = try await body(bus)
      try await bus.close()
      return result
    } catch {
      try await bus.close()
      throw error
    }
  }

  /// What CLIENT LIST says, on all nodes of the Redis that tests share.
  func connections() async throws -> String {
    var text = ""
    for node in self.nodes { text += try await node.command("CLIENT", "LIST").string ?? "" }
    return text
  }

  /// One more client on the same loop, connected.
  func makeClient() async throws -> any RedisClient {
    let client = self.factory.makeClient(on: self.client.eventLoop)
    self.others.append(client)
    try await client.waitUntilReady()
    return client
  }

  private func close() async throws {
    for client in self.others + [self.client, self.administrator] { try await client.close().get() }
  }
}

extension Bus {
  /// A cursor on the reply to one command.
  func command(_ words: String...) async throws -> ReplyCursor {
    var batch = RedisBatch()
    batch.append(key: words.count > 1 ? RedisKey(words[1]) : nil, words: words)
    return try await self.administrator.execute(batch).cursor(0)
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
